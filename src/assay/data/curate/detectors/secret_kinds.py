"""The keys of vendors: what each looks like. Published prefixes and lengths, nothing else.

Each kind is a name, what begins it (RE2, for the search of a whole batch) and the whole of it
(`re`, without groups). A key is bounded by characters that cannot be in it.
"""

from __future__ import annotations

from typing import NamedTuple


class SecretKind(NamedTuple):
    """`start` is found wherever `pattern` is."""

    name: str
    start: str
    pattern: str


_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"

KINDS = (
    SecretKind("AWS access key", "A(?:KIA|SIA|BIA|CCA)", r"A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}"),
    SecretKind("Google API key", "AIza", r"AIza[\w-]{35}"),
    SecretKind("Google OAuth secret", "GOCSPX-", r"GOCSPX-[\w-]{28}"),
    SecretKind("Google OAuth token", r"ya29\.", r"ya29\.[\w-]{40,}"),
    SecretKind("Azure client secret", "8Q~", r"[\w~.-]{3}8Q~[\w~.-]{31,34}"),
    SecretKind("Azure storage key", "AccountKey=", r"(?<=AccountKey=)[A-Za-z0-9+/]{86}=="),
    SecretKind("Azure DevOps token", "AZDO", r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}"),
    SecretKind(
        "Azure shared access signature", "sig=", r"(?<=[?&]sig=)[A-Za-z0-9%+/]{43,}(?:=|%3D)"
    ),
    SecretKind("GitHub token", "gh[pousr]_", r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    SecretKind("GitHub fine-grained token", "github_pat_", r"github_pat_[A-Za-z0-9]{22}_\w{59}"),
    SecretKind(
        "GitLab token",
        "gl(?:pat|dt|rt|rtr|ptt|cbt|soat|ft|agent)-",
        r"gl(?:pat|dt|rt|rtr|ptt|cbt|soat|ft|agent)-[\w.-]{20,}",
    ),
    SecretKind(
        "Slack token", "xox[abeprs]", r"xox[abeprs](?:\.xox[bp])?-(?:\d+-){1,3}[A-Za-z0-9-]{10,}"
    ),
    SecretKind("Slack app token", "xapp-", r"xapp-\d-[A-Z0-9]+-\d+-[a-z0-9]{32,}"),
    SecretKind(
        "Slack webhook",
        r"hooks\.slack\.com",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Z0-9]{8,}/[A-Z0-9]{8,}/[A-Za-z0-9]{20,}",
    ),
    SecretKind("Stripe key", "[sr]k_live_", r"[sr]k_live_[A-Za-z0-9]{20,247}"),
    SecretKind("Stripe test key", "[sr]k_test_", r"[sr]k_test_[A-Za-z0-9]{20,247}"),
    SecretKind("Stripe webhook secret", "whsec_", r"whsec_[A-Za-z0-9+/=]{32,}"),
    SecretKind("Twilio key", "SK[0-9a-f]{8}", r"SK[0-9a-f]{32}"),
    SecretKind("SendGrid key", r"SG\.", r"SG\.[\w-]{22}\.[\w-]{43}"),
    SecretKind(
        "OpenAI key",
        "sk-[A-Za-z0-9]",
        r"sk-(?:[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}|[A-Za-z0-9]{48})",
    ),
    SecretKind(
        "OpenAI project key", "sk-(?:proj|svcacct|admin)-", r"sk-(?:proj|svcacct|admin)-[\w-]{40,}"
    ),
    SecretKind("Anthropic key", "sk-ant-", r"sk-ant-[a-z]{3,6}\d\d-[\w-]{80,}"),
    SecretKind("OpenRouter key", "sk-or-", r"sk-or-v1-[0-9a-f]{64}"),
    SecretKind("Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{34,}"),
    SecretKind("Hugging Face organisation token", "api_org_", r"api_org_[A-Za-z0-9]{34}"),
    SecretKind("Groq key", "gsk_", r"gsk_[A-Za-z0-9]{52}"),
    SecretKind("xAI key", "xai-", r"xai-[A-Za-z0-9]{80}"),
    SecretKind("Replicate token", "r8_", r"r8_[A-Za-z0-9]{37}"),
    SecretKind("Perplexity key", "pplx-", r"pplx-[A-Za-z0-9]{48,}"),
    SecretKind("NVIDIA key", "nvapi-", r"nvapi-[\w-]{60,}"),
    SecretKind("LangSmith key", "lsv2_", r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    SecretKind("npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    SecretKind("PyPI token", "pypi-", r"pypi-AgE(?:IcHlwaS5vcmc|NdGVzdC5weXBpLm9yZw)[\w-]{50,}"),
    SecretKind("RubyGems key", "rubygems_", r"rubygems_[0-9a-f]{48}"),
    SecretKind("Docker Hub token", "dckr_[po]at_", r"dckr_[po]at_[\w-]{27,}"),
    SecretKind("Telegram bot token", ":AA", r"\d{8,10}:AA[\w-]{33}"),
    SecretKind(
        "Discord bot token", r"\.[\w-]{6}\.[\w-]{6}", r"[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,40}"
    ),
    SecretKind(
        "Discord webhook",
        "api/webhooks/",
        r"discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,}",
    ),
    SecretKind("Shopify token", "shp(?:at|ca|pa|ss|ua)_", r"shp(?:at|ca|pa|ss|ua)_[0-9a-fA-F]{32}"),
    SecretKind(
        "Square token", "(?:sq0|EAAA)", r"(?:sq0(?:atp-[\w-]{22}|csp-[\w-]{43})|EAAA[\w-]{60})"
    ),
    SecretKind("DigitalOcean token", "do[opr]_v1_", r"do[opr]_v1_[0-9a-f]{64}"),
    SecretKind("Cloudflare origin key", r"v1\.0-", r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}"),
    SecretKind("Cloudflare token", "cf(?:k|ut|at)_", r"cf(?:k|ut|at)_[A-Za-z0-9]{40,}"),
    SecretKind("New Relic key", "NR(?:AK|II|JS|AA)-", r"NR(?:AK|II|JS|AA)-[A-Za-z0-9_-]{19,32}"),
    SecretKind("Mailgun key", "key-[0-9a-f]{8}", r"key-[0-9a-f]{32}"),
    SecretKind("Mailchimp key", r"[0-9a-f]-us\d", r"[0-9a-f]{32}-us\d{1,2}"),
    SecretKind("Brevo key", "xkeysib-", r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    SecretKind("Heroku key", "HRKU-", rf"HRKU-(?:AA[\w-]{{58}}|{_UUID})"),
    SecretKind("Databricks token", "dapi", r"dapi[0-9a-f]{32}(?:-\d)?"),
    SecretKind("Atlassian token", "AT(?:ATT|CTT)3x", r"AT(?:ATT|CTT)3x[\w=-]{60,}"),
    SecretKind("Bitbucket password", "ATBB", r"ATBB[A-Za-z0-9_=.-]{28,}"),
    SecretKind("Linear key", "lin_", r"lin_(?:api|oauth)_[A-Za-z0-9]{40,}"),
    SecretKind(
        "Notion token", "(?:ntn|secret)_", r"(?:ntn_[A-Za-z0-9]{46}|secret_[A-Za-z0-9]{43})"
    ),
    SecretKind("Figma token", "fig(?:d|u|or|our)_", r"fig(?:d|u|or|our)_[\w-]{40,}"),
    SecretKind("Dropbox token", r"sl\.", r"sl\.(?:u\.)?[\w-]{130,}"),
    SecretKind("Airtable token", "pat[A-Za-z0-9]{14}", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    SecretKind("HubSpot token", "pat-(?:na|eu)", rf"pat-(?:na|eu)\d-{_UUID}"),
    SecretKind(
        "Grafana token",
        "gl(?:c|sa)_",
        r"gl(?:c_[A-Za-z0-9+/]{32,}={0,2}|sa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8})",
    ),
    SecretKind("Sentry token", "sntry[su]_", r"sntry(?:u_[0-9a-f]{64}|s_[\w+/=-]{60,})"),
    SecretKind("Vault token", r"hv[bsr]\.", r"hv[bsr]\.[\w-]{24,}"),
    SecretKind("Terraform token", r"\.atlasv1\.", r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,}"),
    SecretKind(
        "Doppler token", r"dp\.", r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[\w-]+\.)?[A-Za-z0-9]{40,}"
    ),
    SecretKind("Postman key", "PMAK-", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    SecretKind("Pulumi token", "pul-", r"pul-[0-9a-f]{40}"),
    SecretKind("PlanetScale token", "pscale_", r"pscale_(?:tkn|pw|oauth)_[\w=.-]{32,}"),
    SecretKind("Supabase token", "sb(?:p|_secret)_", r"sb(?:p_[0-9a-f]{40}|_secret_[\w-]{31,})"),
    SecretKind("Netlify token", "nfp_", r"nfp_[A-Za-z0-9]{36,}"),
    SecretKind("Tailscale key", "tskey-", r"tskey-[a-z]+-[A-Za-z0-9]{10,}-[A-Za-z0-9]{20,}"),
    SecretKind("Alibaba access key", "LTAI", r"LTAI[A-Za-z0-9]{20}"),
    SecretKind(
        "Plaid token",
        "access-(?:sandbox|dev|prod)",
        rf"access-(?:sandbox|development|production)-{_UUID}",
    ),
    SecretKind("JFrog key", "AKCp", r"AKCp[A-Za-z0-9]{69}"),
    SecretKind("1Password token", "ops_eyJ", r"ops_eyJ[\w+/=-]{200,}"),
)

KEYED = (
    SecretKind("AWS secret key", "(?i)aws.{0,20}(?:secret|key)", r"[A-Za-z0-9/+]{40}"),
    SecretKind(
        "Datadog key",
        "(?i)(?:datadog|dd).{0,3}(?:api|app).{0,14}key",
        r"(?:[0-9a-f]{40}|[0-9a-f]{32})",
    ),
    SecretKind("Heroku key", "(?i)heroku.{0,14}key", _UUID),
    SecretKind("Okta token", "(?i)(?:okta.{0,14}token|SSWS)", r"00[\w-]{40}"),
    SecretKind(
        "Cloudflare token", "(?i)cloudflare.{0,14}(?:token|key)", r"(?:[\w-]{40}|[0-9a-f]{37})"
    ),
    SecretKind("Mailgun key", "(?i)mailgun.{0,14}key", r"[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}"),
    SecretKind("Twilio auth token", "(?i)twilio.{0,14}token", r"[0-9a-f]{32}"),
)
"""Keys without a mark of their own: known by a name before them and their form."""
