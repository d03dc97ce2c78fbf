"""What each verb of the command line does, from parsed arguments to exit code."""

import asyncio
import os
import shlex
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

from callproof.config import RunConfig, load
from callproof.console import last_line, say
from callproof.endpoint import served_name
from callproof.errors import EXIT_INVALID, UserError
from callproof.records import read_text, replacing

from .operate import diagnose, publish, show
from .operate import promotion as lifecycle
from .platforms.compose import compose
from .platforms.kserve import kserve
from .platforms.ray import ray
from .platforms.text import Output
from .start import (
    Plan,
    Server,
    check_environment,
    check_port,
    environment,
    installed_wheel,
    make_plan,
    of_config,
    of_option,
    require_wheel,
    run_server,
    shell_line,
    start_command,
    vllm_yaml,
    with_absolute_paths,
)
from .talk import Answerer

PLATFORMS: dict[str, Callable[[Plan, Path, str | None], Output]] = {
    "write": lambda plan, file, _: Output(text=f"# {_how_to(plan, file)}\n{vllm_yaml(with_absolute_paths(plan))}"),
    "compose": lambda plan, file, _: compose(plan, file),
    "kserve": lambda plan, _, store: kserve(plan, store),
    "ray": lambda plan, _, store: ray(plan, store),
}


def run_start(args: Namespace) -> int:
    """Start a server and stay until it is stopped, or print or write it."""
    if not args.config and not args.adapter:
        raise UserError("callproof serve", "has nothing to serve", "give --config FILE or --adapter NAME=PLACE")
    outputs = {name: getattr(args, name) for name in PLATFORMS if getattr(args, name)}
    starts = not (args.print or outputs)
    wheel = require_wheel() if starts else installed_wheel()
    device = (None if starts else args.device) or (wheel.device if wheel else "gpu")
    if starts and args.device not in (None, device):
        raise UserError(f"--device {args.device}", f"the vLLM installed here is for {device}", "leave it out")
    sources = [*(of_config(path, args.overrides) for path in args.config), *map(of_option, args.adapter)]
    overrides = {name: getattr(args, name) for name in ("host", "port", "max_model_len", "tool_call_parser")}
    plan = make_plan(sources, device, base=args.base, runtime_loads=args.runtime_loads, **overrides)
    for warning in plan.warnings:
        say(warning)
    if not starts:
        return _write(plan, args, outputs)
    for warning in check_environment(plan, os.environ):
        say(warning)
    check_port(plan.host, plan.port)
    config_file = args.log.with_name("vllm.yaml")
    _replace(config_file, vllm_yaml(plan))
    server = Server(start_command(plan, require_wheel(), config_file), environment(plan), args.log)
    words = shlex.join(args.overrides)
    hints = [f"callproof serve snippet --endpoint {plan.url} --config {path} {words}".rstrip() for path in args.config]
    return run_server(plan, server, args.timeout, hints)


def _write(plan: Plan, args: Namespace, outputs: dict[str, Path]) -> int:
    texts = {file: PLATFORMS[name](plan, file, args.store) for name, file in outputs.items()}
    for file, text in texts.items():
        _replace(file, text.text)
        for note in text.notes:
            say(f"{file}: {note}")
    if args.print:
        wheel = installed_wheel()
        print(shell_line(plan, None))
        if wheel and not wheel.has_script:
            say(f"the script of the CPU wheel does not start; here: {shell_line(plan, wheel)}")
    else:
        last_line({"written": [str(file) for file in texts]})
    return 0


def _how_to(plan: Plan, file: Path) -> str:
    variables = " ".join(f"{name}={value}" for name, value in environment(plan).items())
    return f"{variables} vllm serve --config {file.name}"


def _replace(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode())


def run_doctor(args: Namespace) -> int:
    """Every check on a running server, as a table and JSON."""
    configs = [load(path, args.overrides) for path in args.config]
    base = configs[0].model.served_name
    names = [name for name in dict.fromkeys([*(config.name for config in configs), *args.model]) if name != base]
    diagnosis = asyncio.run(diagnose(args.endpoint, configs, names, args.turns, progress=say))
    show(diagnosis)
    last_line(diagnosis.model_dump(mode="json"))
    return diagnosis.exit_code


def run_explain(args: Namespace) -> int:
    """The first layer that changes the answers, as a table, a line and JSON."""
    from .explain import Options, Training, Unanswered, explain, show_explanation

    config = load(args.config, args.overrides)
    options = Options(args.endpoint, args.model or config.name, args.limit_turns, args.log, args.timeout)
    try:
        explanation = explain(config, Training(args.config, tuple(args.overrides)), options)
    except Unanswered as error:
        say(f"error: {error}")
        return EXIT_INVALID
    show_explanation(explanation)
    last_line(explanation.model_dump(mode="json"))
    return explanation.exit_code


def run_chat(args: Namespace) -> int:
    """Converse on the terminal until the input ends."""
    from .talk import Chat, Conversing, Sampling

    config = load(args.config, args.overrides)
    system = read_text(args.system) if args.system else None
    settings = config.eval
    sampling = Sampling(
        settings.max_tokens if args.max_tokens is None else args.max_tokens,
        settings.temperature if args.temperature is None else args.temperature,
    )
    answerer = Answerer(args.endpoint, config)
    begin = partial(Chat, config, system=system)
    begin("chat")  # what is wrong with the domain is told before the endpoint is asked
    with asyncio.Runner() as runner:
        served = runner.run(answerer.models())
        name = args.model or config.name
        model = served_name(name, served, f"--model {name}", answerer.root)
        channel = runner.run(answerer.channel(model))
        conversing = Conversing(begin, answerer, runner, model, sampling, args.session_id, channel)
        code = conversing.run()
        runner.run(answerer.close())
    last_line(conversing.summary())
    return code


def run_snippet(args: Namespace) -> int:
    """Print a request in shell or Python."""
    from .talk import snippet

    config = load(args.config, args.overrides)
    endpoint = args.endpoint or f"http://{config.serve.host}:{config.serve.port}"
    print(snippet(config, endpoint, args.language, args.ask))
    return 0


def run_ui(args: Namespace) -> int:
    """Serve the page until it is stopped."""
    from .talk import answering, is_local, local_model

    check_port("127.0.0.1", args.port)
    if is_local(args.model, args.endpoint):
        model = local_model(Path(args.model[0]), args.config, args.overrides)
        with answering(model) as url:
            _show_page(args.port, model.config, url, None)
    elif args.config:
        _show_page(args.port, load(args.config, args.overrides), args.endpoint or args.default_endpoint, args.model)
    else:
        raise UserError("callproof serve ui", "has no configuration", "give --config, or a folder with --model")
    return 0


def _show_page(port: int, config: RunConfig, endpoint: str, names: list[str] | None) -> None:
    """The page; without `names` each model of the endpoint has its side."""
    from .talk import Page, pair_of, serve_page

    answerer = Answerer(endpoint, config)
    with asyncio.Runner() as runner:
        served = runner.run(answerer.models())
        sides = served if names is None else pair_of(config, names, served, answerer.root)
        page = Page(config, answerer, served, sides, runner.run(answerer.channel(sides[-1])))
        runner.run(serve_page(page, port))
        runner.run(answerer.close())


def run_list(args: Namespace) -> int:
    served = asyncio.run(lifecycle.served(args.endpoint))
    for card in served:
        say(f"{card.name}  {card.path}" + (f"  on {card.parent}" if card.parent else "  base"))
    last_line({"endpoint": args.endpoint, "models": [card.model_dump(mode="json") for card in served]})
    return 0


def run_load(args: Namespace) -> int:
    version = publish(args.name, args.path, args.versions)
    asyncio.run(lifecycle.load(args.endpoint, version))
    say(f"loaded {version.name}; it answers under this name, {args.name} is as it was")
    last_line({"loaded": version.name, "path": str(version.path)})
    return 0


def run_unload(args: Namespace) -> int:
    asyncio.run(lifecycle.unload(args.endpoint, args.name))
    last_line({"unloaded": args.name})
    return 0


def run_promote(args: Namespace) -> int:
    """Exit code of the step that stopped it: checks 1, evaluate's and gate's own."""
    promotion = lifecycle.Promotion(
        endpoint=args.endpoint,
        config_path=args.config,
        config=load(args.config, args.overrides),
        overrides=tuple(args.overrides),
        baseline=args.baseline,
        runs=args.runs,
        limit_sessions=args.limit_sessions,
        turns=args.turns,
    )
    version = publish(args.name, args.path, args.versions)
    result = asyncio.run(lifecycle.promote(promotion, args.name, version, say))
    last_line(result.model_dump(mode="json"))
    return result.exit_code
