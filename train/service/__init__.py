"""The training service: uploads over HTTP, one training at a time in a process of its own; docs/howto/service.md.

Nothing here imports torch: the service checks what comes, keeps jobs in folders, and starts `callproof train`.
"""
