"""What a request brings, from the bytes of its body to a checked configuration."""
