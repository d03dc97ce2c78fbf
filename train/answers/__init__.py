"""What a base, an adapter or a merged model answers without a server: one prompt, an endpoint, a reference."""
