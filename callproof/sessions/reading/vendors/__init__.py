"""Messages as single frameworks and services write them."""

from .clouds import typed_parts
from .langchain import is_langchain, plain_langchain

__all__ = ["is_langchain", "plain_langchain", "typed_parts"]
