"""Lays the verbs under `callproof`, so that what is installed owns one top-level name; pyproject.toml has the rest."""

from setuptools import find_packages, setup

VERBS = ("train", "serve", "evaluate", "bench")

setup(
    packages=[
        *find_packages(include=["callproof", "callproof.*"]),
        *(f"callproof.{name}" for verb in VERBS for name in find_packages(include=[verb, f"{verb}.*"])),
    ],
    package_dir={f"callproof.{verb}": verb for verb in VERBS},
)
