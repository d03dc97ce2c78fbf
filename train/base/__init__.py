"""How the embedded base model and its tokenizer are made."""
