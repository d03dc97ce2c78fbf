"""Writes the same server for other platforms: Docker Compose, KServe, Ray Serve.

Each module turns a plan into one complete, valid file, with the same names of base and adapters. What the platform
cannot express, and what the user still has to do, is written at the head of the file and to stderr.
"""
