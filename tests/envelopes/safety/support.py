"""Texts with personal data and secrets in them, all made up; what the tests of several detectors read."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from mcp_gateway.envelopes.safety.detectors.pii import Pii
from mcp_gateway.envelopes.safety.detectors.secrets import Secrets

DETECTORS: Final = (Pii(), Secrets())


def made(*parts: str) -> str:
    """A secret in parts: so that no scanner of repositories takes the test for a leak."""
    return "".join(parts)


PERSONAL: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "email": ("john.doe+x@mail.example.co.uk", "o'neil@example.com", "a@b.io", "UPPER.CASE@EXAMPLE.COM"),
        "phone": (
            "+49 30 901820",
            "+1 (415) 555-2671",
            "+447400123456",
            "(415) 555-2671",
            "415-555-2671",
            "415.555.2671",
            "1-415-555-2671",
            "06 12 34 56 78",
            "020 7946 0958",
            "07400 123456",
        ),
        "credit_card": (
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "5555555555554444",
            "3782 822463 10005",
            "6011111111111117",
            "3530111333300000",
            "30569309025904",
            "2223003122003222",
            "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        ),
        "iban": (
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "GB29 NWBK 6016 1331 9268 19",
            "fr1420041010050500013m02606",
            "NO9386011117947",
        ),
        "us_ssn": ("123-45-6789", "078 05 1120"),
        "uk_nino": ("AB123456C", "QQ 12 34 56 C".replace("QQ", "JG")),
        "uk_nhs": ("943 476 5919",),
        "de_steuer_id": ("86 095 742 719",),
        "fr_nir": ("255081416802538", "2 55 08 14 168 025 38"),
        "es_dni": ("12345678Z", "X1234567L", "12345678-Z"),
        "it_codice_fiscale": ("RSSMRA85T10A562S", "rssmra85t10a562s"),
        "br_cpf": ("529.982.247-25",),
        "in_aadhaar": ("2341 2341 2346",),
    }
)
"""What each kind is known by without any word before it."""

CALLED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "us_ssn": ("SSN: 123456789", '{"ssn": "123456789"}', "social security number 123456789"),
        "uk_nhs": ("NHS number 9434765919", "nhs_no=943-476-5919"),
        "de_steuer_id": ("Steuer-ID 86095742719",),
        "pl_pesel": ('"pesel":"44051401359"',),
        "nl_bsn": ("BSN: 111222333",),
        "br_cpf": ("CPF 52998224725",),
        "in_aadhaar": ("Aadhaar number: 234123412346",),
        "ca_sin": ("SIN 130 692 544", "social insurance number: 130692544"),
        "phone": ("Tel. 030 901820", "Telefon: 030/901820-12", '"phone": "5551234567"', "call 555 0199 7"),
        "date_of_birth": ("born on 3 May 1985", "DOB: 1985-05-03", "geboren am 03.05.1985", '"birth_date": "05/03/85"'),
    }
)  # fmt: skip
"""What each kind is known by only after a word; the number is the rest of the text from its first digit."""

CREDENTIALS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "aws_access_key": (made("AKIA", "IOSFODNN7", "QRSTUVW"),),
        "github_token": (made("gh", "p_", "16C7e42F292c6912E7710c838347Ae178B4a"),
            made("github", "_pat_", "11AAAAAAA0" * 6)),
        "gitlab_token": (made("glp", "at-", "a1B2c3D4e5F6g7H8i9J0"),),
        "slack_token": (
            made("xox", "b-", "123456789012-123456789012-abcdefABCDEF"),
            made("https://hooks.slack.com/", "services/T00000000/B00000000/", "XXXXXXXXXXXXXXXXXXXXXXXX"),
        ),
        "stripe_access_key": (made("sk", "_live_", "4eC39HqLyjWDarjtT1zdp7dc"),),
        "openai_token": (
            made("sk-", "proj-", "a1B2c3D4e5" * 8),
            made("sk-", "a1B2c3D4e5F6g7H8i9J0", "T3BlbkFJ", "a1B2c3D4e5F6g7H8i9J0"),
        ),
        "anthropic_api_key": (made("sk-", "ant-", "api03-", "a1B2c3D4e5" * 9),),
        "google_api_key": (made("AI", "za", "SyA1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q"),),
        "npm_token": (made("npm", "_", "a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8"),),
        "pypi_token": (made("pypi-", "AgEIcHlwaS5vcmc", "a1B2c3D4e5" * 8),),
        "sendgrid_api_key": (made("SG.", "a1B2c3D4e5F6g7H8i9J0k1", ".",
            "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V"),),
        "telegram_bot_token": (made("123456789", ":", "AAa1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q"),),
        "twilio_api_key": (made("SK", "0123456789abcdef" * 2),),
        "azure_storage_key": (made("AccountKey=", "a1B2" * 21, "Zg=="),),
        "jwt": (made("eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiIxMjM0NTY3ODkwIn0",
            ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"),),
        "private_key": (
            made("-----BEGIN ", "PRIVATE KEY-----\n",
                "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 3, "-----END ", "PRIVATE KEY-----"),
            made("-----BEGIN ", "OPENSSH PRIVATE KEY-----\n",
                "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUA\n" * 40, "-----END ", "OPENSSH PRIVATE KEY-----"),
        ),
        "hugging_face_token": (made("h", "f_", "AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGh"),),
    }
)  # fmt: skip
"""What each kind of credential looks like; all of it is the finding."""

INNOCENT: Final = (
    "123e4567-e89b-12d3-a456-426614174000",
    '{"id": "00000000-0000-4000-8000-000000000000", "etag": "W/\\"5d8c72a5edda8d6a\\""}',
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 (HEAD -> main)",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "2026-11-24T21:54:41.123456Z, 24/11/2026 21:54, 1732485281, 1732485281123",
    "order 4821337712, invoice INV-2026-0042, ticket #8812, SKU 0012-3345-77",
    "DE00370400440532013000 and GB00NWBK60161331926819 are no accounts",
    "card-like 4111111111111112 and 1234567812345678 and 9999999999999999",
    "0.4111111111111111 3.141592653589793238 1e10 -273.15",
    "version 1.2.3.4, 10.0.0.1, 2001:db8::1, port 8080, 127.0.0.1:5432",
    "mailto: nobody at example dot com; @decorator; user@localhost; a@b; x @ y.z",
    "def token(self, key: str) -> Token: return self.tokens[key]  # next token",
    "password = os.environ['PASSWORD']; token: str = ''; secret=None; api_key = settings.api_key",
    'const apiKey = process.env.API_KEY; headers["Authorization"] = `Bearer ${token}`;',
    '{"nextPageToken": "CAUQAA3f9Xk2PpQz81LmNvBc", "max_tokens": 4096, "token_type": "bearer"}',
    "password: ${DB_PASSWORD}, token: <your-token>, secret: env:CLIENT_SECRET, key: ********",
    "検索結果は次のとおりです。価格は三千円、配送は無料です。電話でお問い合わせください。",
    "搜索结果如下:价格为三千元,免运费。订单号 48213377",
    "مرحبا بالعالم، هذا نص عربي عادي بلا بيانات شخصية ٢٠٢٦",
    "Отчёт за квартал был отправлен команде; цифры хорошие. Всё в порядке.",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "https://example.com/a/b?c=d&e=f#g https://example.com:8443/path",
    "git clone git@github.com:org/repo.git",
    "SELECT id, name FROM users WHERE created_at > '2026-01-01' AND amount BETWEEN 100 AND 2000;",
    "-----BEGIN CERTIFICATE-----\nMIIBkTCB+wIJAKHHIG...\n-----END CERTIFICATE-----",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbm9uZW5vbmVub25lbm9uZW5vbmVub25lbm9u laptop",
    "for (let i = 0; i < 10; i++) { a[i] = b[i] * 2 + 0x7fffffff; }",
    "internationalization/localization/getCustomerInvoiceByIdentifierAndDate",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
    "| 2024 | 1,234.50 | 3,456.75 |\n| 2025 | 2,345.60 | 4,567.80 |",
    "ISBN 978-3-16-148410-0, DOI 10.1000/182, RFC 6749, ISO 8601, EAN 4006381333931",
    "\N{GRINNING FACE} café naïve “quoted” – dash … ½ ™ ﬁne",
)  # fmt: skip
"""What looks like something and is nothing: it leaves as it came, byte for byte."""
