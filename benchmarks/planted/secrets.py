"""Random secrets of every kind, and benign texts that look like them; none was ever in use."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Iterator
from random import Random

ALNUM = string.ascii_letters + string.digits
BASE64 = ALNUM + "+/"
URL64 = ALNUM + "-_"
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits
BASE32 = string.ascii_uppercase + "234567"

# Prefix, alphabet and length of each part in turn, as the vendors publish them.
KEYS: dict[str, tuple[str | tuple[str, int], ...]] = {
    "AWS access key": ("AKIA", (BASE32, 16)),
    "AWS temporary key": ("ASIA", (BASE32, 16)),
    "AWS secret key": ("aws_secret_access_key = ", (BASE64, 40)),
    "Google API key": ("AIza", (URL64, 35)),
    "Google OAuth secret": ("GOCSPX-", (URL64, 28)),
    "Google OAuth token": ("ya29.", (URL64, 120)),
    "Azure client secret": ((ALNUM, 3), "8Q~", (ALNUM + "._~-", 33), "a"),
    "Azure storage key": ("AccountKey=", (BASE64, 86), "=="),
    "GitHub classic": ("ghp_", (ALNUM, 36)),
    "GitHub OAuth": ("gho_", (ALNUM, 36)),
    "GitHub app": ("ghs_", (ALNUM, 36)),
    "GitHub fine-grained": ("github_pat_", (ALNUM, 22), "_", (ALNUM, 59)),
    "GitLab": ("glpat-", (URL64, 20)),
    "Slack bot": ("xoxb-", (string.digits, 12), "-", (string.digits, 12), "-", (ALNUM, 24)),
    "Slack webhook": (
        "https://hooks.slack.com/services/T",
        (UPPER, 9),
        "/B",
        (UPPER, 9),
        "/",
        (ALNUM, 24),
    ),
    "Stripe": ("sk_live_", (ALNUM, 24)),
    "Stripe restricted": ("rk_live_", (ALNUM, 99)),
    "Twilio": ("SK", (HEX, 32)),
    "SendGrid": ("SG.", (URL64, 22), ".", (URL64, 43)),
    "OpenAI": ("sk-", (ALNUM, 48)),
    "OpenAI project": ("sk-proj-", (URL64, 74), "T3BlbkFJ", (URL64, 74)),
    "Anthropic": ("sk-ant-api03-", (URL64, 93), "AA"),
    "Hugging Face": ("hf_", (ALNUM, 34)),
    "Groq": ("gsk_", (ALNUM, 52)),
    "Replicate": ("r8_", (ALNUM, 37)),
    "npm": ("npm_", (ALNUM, 36)),
    "PyPI": ("pypi-AgEIcHlwaS5vcmc", (URL64, 150)),
    "Docker Hub": ("dckr_pat_", (URL64, 27)),
    "Telegram": ((string.digits[1:], 10), ":AA", (URL64, 33)),
    "Shopify": ("shpat_", (HEX, 32)),
    "Square": ("sq0atp-", (URL64, 22)),
    "DigitalOcean": ("dop_v1_", (HEX, 64)),
    "Cloudflare": ("CLOUDFLARE_API_TOKEN=", (ALNUM, 40)),
    "Datadog": ("DD_API_KEY=", (HEX, 32)),
    "New Relic": ("NRAK-", (UPPER, 27)),
    "Mailgun": ("key-", (HEX, 32)),
    "Mailchimp": ((HEX, 32), "-us12"),
    "Databricks": ("dapi", (HEX, 32)),
    "Okta": ("okta_api_token: 00", (ALNUM, 40)),
    "Atlassian": ("ATATT3xFfGF0", (URL64, 171), "=", (HEX.upper()[:16], 8)),
    "Linear": ("lin_api_", (ALNUM, 40)),
    "Notion": ("ntn_", (ALNUM, 46)),
    "Figma": ("figd_", (URL64, 40)),
    "Dropbox": ("sl.", (URL64, 137)),
    "Airtable": ("pat", (ALNUM, 14), ".", (HEX, 64)),
    "Grafana": ("glsa_", (ALNUM, 32), "_", (HEX, 8)),
    "Vault": ("hvs.", (URL64, 90)),
    "Postman": ("PMAK-", (HEX, 24), "-", (HEX, 34)),
    "Pulumi": ("pul-", (HEX, 40)),
}
FRAMES = (
    "{}",
    "Use {} for the nightly job.",
    "export KEY='{}'",
    '{{"key": "{}", "retries": 3}}',
    'curl -H "X-Key: {}" https://api.acme-tools.io/v1/items',
    "my key is {}, can you see why it fails?",
)


def draw(rng: Random, parts: tuple[str | tuple[str, int], ...]) -> str:
    """One random key; it never ends in a dash, which no search could tell from punctuation."""
    text = "".join(
        part if isinstance(part, str) else "".join(rng.choices(part[0], k=part[1]))
        for part in parts
    )
    return text[:-1] + "a" if text[-1] in "-_.~" else text


def draw_private_key(rng: Random) -> str:
    """A PEM block of random bytes."""
    kind = rng.choice(("RSA ", "EC ", "OPENSSH ", "", "ENCRYPTED "))
    body = base64.b64encode(rng.randbytes(rng.choice((118, 610, 1190)))).decode()
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return "\n".join(
        [f"-----BEGIN {kind}PRIVATE KEY-----", *lines, f"-----END {kind}PRIVATE KEY-----"]
    )


def draw_web_token(rng: Random) -> str:
    """A signed token with a subject and a date of issue."""
    header = {"alg": rng.choice(("HS256", "RS256", "ES256")), "typ": "JWT"}
    claims = {"sub": str(rng.randrange(10**6)), "iat": rng.randrange(10**9), "role": "agent"}
    parts = [json.dumps(one, separators=(",", ":")).encode() for one in (header, claims)]
    encoded = [base64.urlsafe_b64encode(one).decode().rstrip("=") for one in parts]
    return ".".join([*encoded, "".join(rng.choices(ALNUM, k=43))])


def draw_connection(rng: Random) -> str:
    """A URL or a connection string with a password."""
    password = "".join(rng.choices(ALNUM, k=rng.randint(8, 20)))
    host = rng.choice(("db.acme.internal", "10.2.0.17", "cache-3.acme-tools.io"))
    return rng.choice(
        (
            f"postgresql://app:{password}@{host}:5432/orders",
            f"mongodb+srv://svc:{password}@{host}/main",
            f"redis://:{password}@{host}:6379/0",
            f"https://deploy:{password}@{host}/repo.git",
            f"Server={host};Database=crm;User Id=app;Password={password};",
            f"jdbc:mysql://{host}/crm?user=app&password={password}",
        )
    )


def draw_named(rng: Random) -> str:
    """A random string that a word names."""
    value = "".join(rng.choices(ALNUM, k=rng.randint(24, 48)))
    frames = ("secret_key = '{}'", '"access_token": "{}"', "API_KEY={}", "Authorization: Bearer {}")
    return rng.choice((*frames, "the token is {}", "client_secret: {}")).format(value)


TWINS = (
    "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "api_key = 'your-api-key-goes-here-please'",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "API_KEY=os.environ['SERVICE_API_KEY_PRODUCTION']",
    "token = generate_access_token_for_user(user_id=42)",
    "max_tokens: 4096, tokenizer: meta-llama/Llama-3.1-8B-Instruct",
    "postgresql://user:password@localhost:5432/mydb",
    "postgres://${DB_USER}:${DB_PASSWORD}@${DB_HOST}/app",
    "redis://localhost:6379/0 needs no password",
    "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQ\n-----END PUBLIC KEY-----",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0"
    "IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    "Server=localhost;Database=test;User Id=sa;Password=<your password>;",
    "sk-learn and sk-means are no keys, nor is sk-ant-farm",
    "the hf_hub_download function and the npm_config_registry variable",
    "client_secret: 00000000000000000000000000000000",
)


def draw_twin(rng: Random) -> str:
    """A benign text that looks like a secret: a documented example, a hash, an id, an image."""
    number = rng.randrange(len(TWINS) + 5)
    if number < len(TWINS):
        return TWINS[number]
    digest = "".join(rng.choices(HEX, k=40))
    uuid = "-".join("".join(rng.choices(HEX, k=size)) for size in (8, 4, 4, 4, 12))
    image = base64.b64encode(rng.randbytes(90)).decode()
    return (
        f"commit {digest}",
        f"token id {uuid}",
        f"![logo](data:image/png;base64,{image})",
        f"sha256:{digest}{digest[:24]}",
        f"git checkout {digest[:12]} && pip install --hash=sha256:{digest}{digest[:24]}",
    )[number - len(TWINS)]


def plant_secrets(rng: Random, count: int) -> Iterator[tuple[str, str | None]]:
    """`count` texts of each rule, and as many benign ones: text, and the rule or None."""
    kinds = sorted(KEYS)
    for index in range(count):
        frame = rng.choice(FRAMES)
        yield frame.format(draw(rng, KEYS[kinds[index % len(kinds)]])), "api_key"
        yield f"here it is:\n{draw_private_key(rng)}\n", "private_key"
        yield frame.format(draw_web_token(rng)), "json_web_token"
        yield (
            rng.choice(("connect to {}", "DATABASE_URL={}")).format(draw_connection(rng)),
            "connection_string",
        )
        yield draw_named(rng), "high_entropy_string"
        yield frame.format(draw_twin(rng)), None
