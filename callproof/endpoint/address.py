"""Where an endpoint is, and with which key it is asked."""

import base64
import os
from urllib.parse import unquote, urlsplit, urlunsplit

from callproof.errors import UserError

API_KEY_VARIABLES = ("CALLPROOF_API_KEY", "VLLM_API_KEY", "OPENAI_API_KEY")


def root_of(base_url: str) -> str:
    """The URL of a server without credentials and without `/v1`; raises a UserError for what is no http URL."""
    try:
        parts = urlsplit(base_url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, valid = urlsplit(""), False
    if not valid:
        public = base_url.rpartition("@")[2].partition("?")[0]
        raise UserError(f"--endpoint {public}", "is no http URL", "write it as http://127.0.0.1:8000")
    if parts.query or parts.fragment:
        mend = f"leave it out, and give a key in {API_KEY_VARIABLES[0]}"
        raise UserError(f"--endpoint {without_credentials(base_url)}", "has a query, which is not sent", mend)
    return without_credentials(base_url).rstrip("/").removesuffix("/v1").rstrip("/")


def without_credentials(url: str) -> str:
    """The URL as it can be shown and saved: without `user:password@`, and `...` for each value of its query."""
    parts = urlsplit(url)
    pairs = (pair.rpartition("=")[0] for pair in parts.query.split("&") if pair)
    query = "&".join(f"{name}=..." if name else "..." for name in pairs)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment=""))


def api_key_from(variable: str | None = None) -> str | None:
    """The API key in the environment variable `variable`, or in the first of API_KEY_VARIABLES that is set, or None.

    Raises:
        UserError: `variable` is not set.
    """
    if variable and not os.environ.get(variable, "").strip():
        raise UserError(f"eval.api_key_env: {variable}", "is not set in the environment", f"export {variable}=...")
    names = (variable,) if variable else API_KEY_VARIABLES
    return next((key for name in names if (key := os.environ.get(name, "").strip())), None)


def authorization_of(base_url: str, key: str | None) -> str | None:
    """The Authorization header: credentials in the URL if there are any, otherwise the key."""
    parts = urlsplit(base_url)
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    if key and not (key.isascii() and key.isprintable()):
        raise UserError("the API key", "holds characters that no HTTP header can carry", "set the variable again")
    return f"Bearer {key}" if key else None
