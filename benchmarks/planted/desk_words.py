"""What customers of an invented shop write, and what its desk answers; draws nothing.

In a line, ``[a|b]`` is one of several wordings and ``{good}`` a value. A block is an issue: its
name and queue, then lines for how a customer begins (``<``), goes on (``+``) and asks (``?``), and
for what the desk decides (``!``, the same whatever the wording) and how it explains it (``>``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_BLOCKS = """
= broken | returns
< [My|The|Our] {colour} {good} [arrived|came|was delivered] [on {day}|{number} days ago] with [a crack|a loose leg|a torn cover|a bent frame|a deep scratch].
< [When I opened|As soon as we opened|Opening] the box I saw that the {colour} {good} [is damaged|has a crack|is in two pieces].
< [I am writing|I write|We are writing] about order {order}: the {good} in it is [broken|damaged|cracked].
+ [The cardboard|The outer box|The parcel] [looked fine|was wet at one corner|had been opened before|was taped twice].
+ [I took|We took|My partner took] {number} [photos|pictures] [before touching anything|while unpacking it|of every side].
+ It [wobbles|creaks|tilts] when I put it [on the floor|next to the window|in the hall of our flat in {city}].
? [Can you send|Would you send|Could I get] [a new one|a replacement|another {good}]?
? What [should I do|happens] [now|next] with the broken {good}?
! We replace a damaged {good} free of charge.
> [Keep|Please keep] the box [until the driver has been there|for the collection|until {day}].
> [Put|Please put] the {good} back [in its box|into the parcel] and [leave the tape off|close it with tape].
> The new {good} [leaves|is sent from] our store in {city} within {number} working days.
= late | delivery
< Order {order} [should have been|was meant to be] here [on {day}|{number} days ago] and [nothing has come|there is no sign of it].
< [I have been waiting|We have waited|I have now waited] {number} days for [my|the|our] {colour} {good}.
< [Where is|What happened to|Do you know where to find] the {good} [of order {order}|that I bought for our place in {city}]?
+ The [tracking page|status page|message from the carrier] has said [the same|"on its way"|"in transit"] since {day}.
+ [My neighbour|The porter|Nobody here] [saw no van|saw no driver|was asked to sign for anything] all week.
+ I [stayed at home|took time off|waited at the door] on {day} [for nothing|for the whole afternoon|until the evening].
? [Could you find out|Can you tell me|Please check] [where it is|when it will arrive|which day it comes].
? When [will it be here|can I expect it|does it finally arrive]?
! Your parcel left our depot late and arrives on {day2}.
> The [driver|carrier] [sends a message|rings the bell|writes to you] [one hour before|in the morning of that day].
> [A strike|Heavy snow|A full depot|A broken van] near {city} [held up|delayed] [many parcels|{number} vans].
> [If nobody is at home|Should you be out], [a neighbour can take it|it goes to the shop at the corner].
= wrong | returns
< [I ordered|We ordered|My order {order} was for] a {colour} {good}, but [the box holds|I got|you sent] a {colour2} one.
< The {good} [that came on {day}|in order {order}] has the wrong [size|colour|shape|height].
< [There must be|This looks like|I think there was] a mix-up: instead of a {good} I [found|unpacked] a {good2}.
+ The [label|slip|list] [on the box|inside|on the side] [names|shows] the right [thing|article|item], [strangely enough|which is odd].
+ [It does not match|It looks odd beside|It is no use next to] our {colour2} [walls|floor|curtains|kitchen].
+ I have [not used it|left it in its foil|only opened the lid|kept every part].
? [Can I swap it|How do I exchange it|May I send it back] for [the one I ordered|the right one]?
? [Who collects|Will someone pick up] the wrong one, and when do I get mine?
! We exchange the wrong item for the one that you ordered.
> [Hand|Give] it to the driver who [brings|delivers] the right one on {day2}.
> [Leave|Please leave] the foil on it, [so that|then] we [can sell it again|need not clean it].
> The [exchange|swap] costs you nothing, [even if the box is open|also outside {city}].
= refund | payments
< I sent the {good} back [on {day}|{number} days ago] and [have seen no money|my account shows nothing|am still waiting for the refund].
< [The refund|The money] for order {order} [has not come|is not there|is still missing].
< [You told me|It was promised|The last answer said] that the {good} [would be refunded|gets refunded] by {day}.
+ The [shop|post office|carrier] in {city} gave me a receipt [for the parcel|with a stamp|when I handed it in].
+ I paid [by card|by transfer|with a voucher and by card], [as always|in one sum|in two parts].
+ [The status|Your page] says [received|arrived|checked in] since {day}.
? When [do I get|will you pay|does it reach me,] [it back|the money back|the refund]?
? [Could you look|Please look] into it and tell me what is [missing|still open]?
! We pay the refund within {days} working days after the return is checked.
> Your return [was checked|passed the check|was unpacked] [on {day}|this morning|at our store in {city}].
> [The bank|Your bank] may need [a day or two more|one more day] until it shows.
> The sum [goes back|returns] the way you paid, [in one payment|in two parts if you used two ways].
= assembly | advice
< [I am putting together|We are assembling|I started to build] the {colour} {good} and [step {number} makes no sense|am stuck at step {number}].
< [How do I fix|What holds|How does one attach] the {part} [to|of] the {good}?
< The [leaflet|manual|drawing] of the {good} [shows|names] a {part} that I [cannot place|do not recognise].
+ There are {number} [screws|bolts|pegs] left over, [all of them short|long ones and short ones|and no hole for them].
+ [My brother|A friend|My flatmate from {city}] [tried|had a look], [too|with no more luck than I].
+ The [holes|rails|edges] [do not line up|are a finger apart|look turned around].
? [Is there|Do you have] a [clearer drawing|video|better plan]?
? Which [side|end] goes [up|first|to the wall]?
! The {part} goes on first, with the groove facing down.
> [Turn|Please turn] the frame [on its back|upside down] [before you start|and put a blanket below].
> [Tighten|Only tighten] the screws [at the very end|when all of them are in|in two rounds].
> The spare [screws|pegs] are [meant for the wall|extra ones] and [may stay in the bag|need not be used].
= change | orders
< I [moved|am moving|will move] to {city} [next week|on {day}|soon], and order {order} [goes|would go] to the old flat.
< [Please change|I need to change|Can I still change] the [town|place|flat] for order {order}: it is {city} now.
< [Order {order}|The {good} that I bought on {day}] must [go|be brought] to {city} instead of {city2}.
+ [The new flat|Our new place] is on the {number}th floor, [without a lift|with a small lift|above a bakery].
+ From {day} on [somebody is always there|my mother is at home|the caretaker has a key].
+ [Nobody lives|Strangers live] in the old one [any more|by then], so it would [come back|get lost].
? [Is that possible|Can it be done|Is there still time]?
? [Do you confirm|Will you tell me] [when it is changed|that it worked]?
! We changed the town, and the order now goes to the new one.
> The [date|day] moves [by one day|to {day2}] because [another depot|the store in {city}] takes over.
> [Heavy|Large] goods are [carried|brought] [to the room of your choice|up all stairs].
> [No extra cost|Nothing more to pay|No fee] [arises|comes up], [since it has not left yet|as it is still with us].
= stock | orders
< [Is|When is] the {colour} {good} [back|in stock again|there again]?
< [I would like|We want|I am looking for] {number} of the {good} in {colour}, but the page says sold out.
< [For weeks|Since {day}|All month] I [have tried|try] to buy the {colour} {good} [for our office in {city}|for my son's room].
+ [The {colour2} one|Another colour] would [do|be fine|be all right], too, [if need be|if it is the same size].
+ [The shop|The store] in {city} had [one left|only the one on show], [with a dent|without its box].
+ I [do not mind|would not mind] waiting [until {day}|{number} weeks|for a while].
? [Can I reserve|Do you put aside|Could you keep] [one|some] for me?
? [How often|When] do you get new ones?
! The {good} is in stock again in {days} weeks.
> [We put|I have put] your [name|wish] on the list, [as number {number}|near the top].
> [The {colour2} one|One in {colour2}] is [here already|at the store in {city}], [at the same price|for the same money].
> [You get|We send] a message when it [arrives|is unpacked], and [have {number} days to decide|need not buy it].
= care | advice
< [How do I clean|What cleans|How should one clean] the {colour} {good} [after a party|after a year|properly]?
< There is [coffee|wax|red wine|ink|glue] on [my|the|our] {colour} {good}, [about a hand wide|a small spot|since {day}].
< The {good} [that I bought in {city}|of order {order}] has [a dull spot|white rings|a sticky side].
+ I tried [water|soap|a dry cloth|lemon] [already|first|on {day}], and it [got larger|hardly helped|only smells better].
+ [The tag|The leaflet] says [nothing|"wipe only"|not to soak it], [which is little|and that is all].
+ It stands [in the sun|beside the stove|where {number} children play], [so it happens again|sadly].
? [Which product|What] do you [recommend|advise|use yourselves]?
? [Can I wash|May one scrub] it, or [does that harm it|is that a bad idea]?
! Use lukewarm water with a little mild soap, and never scrub it.
> [Dab|Press] from the outside [inwards|to the middle] with [a white cloth|kitchen paper].
> [Let it dry|Leave it to dry] for {number} hours, [away from the sun|with the window open].
> [Test it|Try it] [below|at the back|on the inside] first, [where nobody looks|in case the colour runs].
= invoice | payments
< [I need|My office needs|We need] [a bill|an invoice|a new invoice] for order {order}, [with the tax shown|for our books|in the name of the firm].
< The [invoice|bill] for the {good} [names|shows] the wrong [town|sum|firm|day].
< [There was no invoice|I found no bill] in the box of the {colour} {good} [that came on {day}|from {city}].
+ [Our bookkeeper|The tax office|My boss] wants it [by {day}|before the end of the month|in paper form].
+ It was {number} [chairs|shelves|boxes] and [a lamp|a mirror|one rug], [paid at once|paid in two parts].
+ [I looked|We looked] [on the page|in my account|in every folder] and found [only the order|last year's].
? [Can you send|Could you send|Would you send] it [again|once more|as a file]?
? [Is it possible|Can it be arranged] to [correct it|have it today]?
! The corrected invoice is in your account under documents.
> [You find|There you find] the [old ones|earlier ones], too, [sorted by year|back to {number} years ago].
> [By law|As a rule] the number [stays|remains], [only the text changes|and the date is today's].
> [Print it|Save it] from there, [as often as needed|in colour or in grey].
= cancel | orders
< [I want to cancel|Please cancel|Can I cancel] order {order}, [the {good} is too large|we found one in {city}|I no longer need the {good}].
< [We bought|I bought] the {colour} {good} twice [by mistake|on {day}], [one is enough|so one must go].
< [Stop|Please stop] the {good} [that I ordered {number} hours ago|of order {order}], [it is the wrong height|I chose the wrong colour].
+ [It says|The page says] [packed|in work|not yet sent], [for now|at least on {day}].
+ The [button|link] [is grey|does nothing|leads nowhere] [on my phone|in two browsers].
+ [I have paid already|The money has left my account|It was paid by transfer], [all of it|half of it].
? [Is it too late|Am I too late|Does it still work]?
? [How do I get|When do I see] my money again?
! We cancelled the order before it was packed.
> The [sum|money] is [booked back|returned] by {day2} [the way it came|to the same card].
> [If the {good} comes all the same|Should it arrive anyway], [refuse it at the door|do not open it].
> [A message|A note] with the word cancelled [is on its way|comes within {number} hours].
= warranty | repairs
< After {number} months the {part} of [my|the|our] {good} [squeaks|sticks|has come off|will not close].
< [The {colour} {good}|Our {good} from {city}] [lost|has lost] its {part} [on {day}|while nobody touched it].
< [Does the warranty cover|Is it under warranty,] a worn {part} of a {good} [of order {order}|bought {number} months ago]?
+ [We use it|It is used] [every day|twice a week|by one person], [with care|as anyone would].
+ A [carpenter|neighbour|friend] [glued it|oiled it|looked at it], which [held until {day}|did little].
+ I have the [box|bag|leaflet] with the [little key|spare screws] [still|somewhere].
? [Do you repair it|Who repairs it|Can it be repaired]?
? [What does|How much does] a new {part} cost me?
! The warranty covers it, and a new part is free.
> [A mechanic|Someone] comes [on {day2}|within {number} days] [with the part|and needs half an hour].
> [Until then|Before that], [do not load it|keep children off|lean it on a wall].
> [Tell us|Let us know] [if another one breaks|how it goes], [as this lot had a weak {part}|for our list].
= measure | advice
< [How wide|How high|How deep] is the {colour} {good} [without its legs|with the {part}|when folded]?
< [Does the {good}|Will the {good}] fit [through a door of {number} hand widths|in a lift|under our stairs]?
< [I am planning|We plan] a [small room|hall|kitchen] in {city} and [think of|dream of] the {colour} {good}.
+ The [wall|corner|niche] is [crooked|not quite straight], [as the house is old|by {number} fingers or so].
+ There is a [radiator|socket|pipe] [behind it|on the left|below the window] that [must stay free|gets warm].
+ [A {good2}|The {colour2} {good2}] [stands there already|shall go beside it|has to fit, too].
? [Can you give me|Where do I find|What are] the [exact sizes|measures]?
? [Can it be made|Is it sold] [narrower|in another size]?
! The exact sizes are on the drawing at the bottom of the page.
> [Add|Leave] [two fingers|a hand] of air [on each side|behind it] [so that it can be moved|for the {part}].
> The [legs|feet] [come off|can be unscrewed], [which saves some height|with the little key].
> [It comes|It is delivered] in {number} [parts|boxes], so [stairs are no problem|a narrow lift will do].
"""  # noqa: E501


def parse_words(text: str) -> list[str]:
    """Words, in each of which an underscore stands for a space."""
    return [word.replace("_", " ") for word in text.split()]


GOODS = parse_words(
    """sofa table desk bench shelf bed mattress carpet lamp mirror chair vase basket pillow
    blanket curtain wardrobe stool sideboard armchair bookcase dresser hammock ladder trolley
    cabinet footrest parasol bedside_table coat_stand"""
)
COLOURS = parse_words(
    "white black grey green blue red yellow brown beige cream olive walnut oak navy"
)
PARTS = parse_words("hinge handle drawer leg rail back_panel wheel lid clip bracket cushion frame")
CITIES = parse_words(
    """Hamburg Munich Cologne Dresden Leipzig Vienna Graz Zurich Geneva Lyon Lille Nantes Leeds
    Bristol Glasgow Dublin Seville Porto Lisbon Turin Naples Prague Oslo Riga Ghent Utrecht Malmo
    Athens Budapest Bergen"""
)
DAYS = parse_words("Monday Tuesday Wednesday Thursday Friday Saturday")

HELLO = "[Hello|Hi|Good morning|Good evening|Dear team|Hello desk|Hi there|Greetings]"
ASIDES = """
[By the way|Apart from that], the {good2} that we [got|bought] in {city2} is [lovely|a joy|very good].
[It was|The thing was] [a present for my aunt|a gift for our wedding|my treat to myself].
We [shop|have shopped] with you for {number} years, [mostly happily|and rarely complain].
[Last year|In spring|Two summers ago] a {colour2} {good2} [gave no trouble|came on time|was perfect].
[I read|We read] the questions page [twice|from top to bottom], [but it is silent on this|in vain].
[Sorry for|Forgive] the long message, [I write on a train to {city2}|my cat walks on the keys].
[My sister|A colleague|The neighbour] in {city2} [had the same|told me to ask you|says you are quick].
[The weather|The view] in {city} is [grand|dull|wet] [today|this week], [at least|for what it is worth].
[Mornings|Afternoons|Evenings after work] [suit me best|are good for me], [except {day}|most of all {day}].
There are [stairs|two doors|{number} steps] and a [dog|shy cat|curious child] [in the house|at our place].
"""  # noqa: E501
CLOSES = """
[Many thanks|Thanks|Thank you] [in advance|for your time|for looking into it].
[Looking forward to|I hope for|Glad about] [an answer|a reply] [by {day}|soon|this week].
[Best wishes|Kind regards|Greetings] from {city}.
"""
SORRY = """
[I am sorry|We are sorry|Sorry] [to hear that|about this trouble|that it went this way].
[Thank you|Thanks] for [the clear message|writing to us|all these details].
[That is|This is] [annoying|a pity|not what we want], [and we put it right|so let us settle it].
[Good that you ask|Glad you asked|A fair question], [it comes up often|and easily answered].
[I looked|I have looked|We looked] [at your order|into it] [at once|right away|just now].
[Of course we help|We gladly help], [here is how it goes|and this is the plan].
"""
BYES = """
[Write|Please write] [again|back] if [anything is unclear|something else turns up|that does not help].
[Enjoy|Much joy with] your [new|favourite] {good2} [until then|all the same|in {city}].
[Have|We wish you] a [good|quiet|sunny] {day2}.
[We are here|The desk is open] [every day but Sunday|until six|on {day2}, too].
[Thank you|Thanks] for your [patience|trust|understanding] [in this|once more].
"""  # noqa: E501


class Issue(NamedTuple):
    """One block."""

    name: str
    queue: str
    begins: Sequence[str]
    goes_on: Sequence[str]
    asks: Sequence[str]
    decides: Sequence[str]
    explains: Sequence[str]


def parse_lines(text: str) -> list[str]:
    """Lines that hold something."""
    return [line for line in text.splitlines() if line]


def _parse(block: str) -> Issue:
    head, *lines = block.splitlines()
    name, queue = head.split(" | ")
    found = [[line[2:] for line in lines if line[0] == mark] for mark in "<+?!>"]
    return Issue(name, queue, *found)


ISSUES = [_parse(block) for block in _BLOCKS.strip().removeprefix("= ").split("\n= ")]
