"""The same server written for other platforms: Docker Compose, KServe, Ray Serve.

A platform's module turns a plan into one text that is valid and complete, with the same names of base and adapters.
What the platform cannot express, and what has to be done beside it, stands in the text's head and is told on stderr.
"""
