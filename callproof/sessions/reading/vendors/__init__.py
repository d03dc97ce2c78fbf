"""Messages as single frameworks and services write them."""

from .clouds import typed_parts
from .langchain import is_langchain, plain_langchain
from .pydantic_ai import is_pydantic_ai, plain_pydantic_ai
from .vercel import is_vercel, plain_vercel

__all__ = [
    "is_langchain",
    "is_pydantic_ai",
    "is_vercel",
    "plain_langchain",
    "plain_pydantic_ai",
    "plain_vercel",
    "typed_parts",
]
