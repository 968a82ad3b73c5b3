# Runs code that came by descriptor 4 as __main__, and its handler, if it defines one. What the handler returns goes to
# descriptor 3 as JSON, what went wrong as "!" and a line of text. Imports are late: most runs need few of them.
def run():
    import sys
    from posix import close, environ, getcwd, read, set_inheritable, stat, write
    from time import monotonic_ns

    def read_all(fd):
        parts = []
        while True:
            part = read(fd, 1 << 20)
            if not part:
                return b"".join(parts)
            parts.append(part)

    def send(data):
        view = memoryview(data)
        while view:
            view = view[write(3, view):]

    def send_error(text):
        send(b"!" + text.encode("utf-8", "replace")[:4096])

    def fail(text):
        sys.stdout.flush()
        print(text, file=sys.stderr)
        send_error(text)
        sys.exit(1)

    def remember_source(text):
        import linecache

        lines = text.splitlines(True)
        linecache.cache["<code>"] = (len(text), None, lines, "<code>")

    # What a module of the code's own raised, printed as if nobody had been between it and the interpreter.
    def fail_uncaught(error, text):
        import traceback

        remember_source(text)
        own = error.__traceback__
        while own and own.tb_frame.f_code.co_filename == "<string>":
            own = own.tb_next
        try:
            sys.stdout.flush()
        except Exception:
            pass
        hook = sys.excepthook
        if hook is sys.__excepthook__:
            traceback.print_exception(type(error), error, own)
        else:
            hook(type(error), error, own)
        send_error("".join(traceback.format_exception_only(type(error), error)).strip())
        sys.exit(1)

    class Context:
        __slots__ = ("execution_id", "attempt", "_deadline")

        def __init__(self, execution_id, attempt, deadline):
            self.execution_id = execution_id
            self.attempt = attempt
            self._deadline = deadline

        @property
        def remaining_time_ms(self):
            return max(0, (self._deadline - monotonic_ns() // 1000) // 1000)

    def arguments(handler, event, context):
        if type(handler) is not type(arguments):
            import inspect

            try:
                names = list(inspect.signature(handler).parameters.values())
            except (TypeError, ValueError):
                return (event,)
            names = [p for p in names if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
            required = sum(p.default is p.empty for p in names)
            second = names[1].name if len(names) > 1 else ""
        else:
            code = handler.__code__
            count = code.co_argcount
            required = count - len(handler.__defaults__ or ())
            second = code.co_varnames[1] if count > 1 else ""
            if count == 0 and not code.co_flags & 4:
                return ()
        return (event, context) if required > 1 or second == "context" else (event,)

    def too_deep(value):
        level = [value]
        for _ in range(65):
            level = [item for item in level if isinstance(item, (dict, list, tuple))]
            if not level:
                return False
            level = [item for holder in level for item in (holder.values() if isinstance(holder, dict) else holder)]
        return True

    # The json module costs as much as half an interpreter's start, for its regular expressions; its C core has none.
    def loads(text):
        text = text.decode().strip(" \t\r\n")
        try:
            from _json import make_scanner
        except ImportError:
            import json

            return json.loads(text)

        class options:
            strict = True
            object_hook = object_pairs_hook = None
            parse_float = float
            parse_int = int
            parse_constant = float
            memo = {}

        return make_scanner(options)(text, 0)[0]

    def dumps(value, refuse):
        try:
            from _json import encode_basestring, make_encoder

            encode = make_encoder({}, refuse, encode_basestring, None, ": ", ", ", False, False, False)
        except (ImportError, TypeError):
            import json

            return json.dumps(value, allow_nan=False, ensure_ascii=False, default=refuse)
        return "".join(encode(value, 0))

    def send_return(value):
        def refuse(item):
            kind = type(item).__name__
            if item is value:
                fail(f"return value of type '{kind}' is not JSON serialisable")
            fail(f"return value is not JSON serialisable: it holds a value of type '{kind}'")

        try:
            data = dumps(value, refuse).encode()
            deep = too_deep(value)
        except RecursionError:
            deep = True
        except (TypeError, ValueError) as error:
            fail(f"return value is not JSON serialisable: {error}")
        if deep:
            fail("return value is nested deeper than 64")
        if len(data) > 1 << 20:
            fail("return value is larger than 1 MiB")
        send(data)

    data = read_all(4)
    close(4)
    set_inheritable(3, False)
    head, _, rest = data.partition(b"\n")
    code_len, event_len, attempt, deadline, execution_id = head.decode().split(" ")
    source = rest[: int(code_len)]
    event = rest[int(code_len) : int(code_len) + int(event_len)]
    del data, rest
    sys.stdout.reconfigure(line_buffering=True)
    sys.path[:0] = [getcwd()] + [p for p in environ.get(b"PYTHONPATH", b"").decode().split(":") if p]
    version = sys.version_info
    packages = f"{environ.get(b'HOME', b'').decode()}/.local/lib/python{version[0]}.{version[1]}/site-packages"
    try:
        stat(packages)
    except OSError:
        pass
    else:
        import site

        site.addsitedir(packages)
    sys.argv[:] = ["<code>"]
    scope = sys.modules["__main__"].__dict__
    del scope["run"]
    text = source.decode("utf-8", "replace")
    # These print tracebacks by themselves, and can't find the source of what is no file.
    if b"traceback" in source or b"logging" in source or b"inspect" in source or b"warnings" in source:
        remember_source(text)
    try:
        exec(compile(source, "<code>", "exec", dont_inherit=True), scope)
        handler = scope.get("handler")
        if not callable(handler):
            return
        event = loads(event) if event else None
        context = Context(execution_id, int(attempt), int(deadline))
        value = handler(*arguments(handler, event, context))
        if hasattr(value, "__await__"):
            import asyncio

            async def settle(awaitable):
                return await awaitable

            value = asyncio.run(settle(value))
    except SystemExit:
        raise
    except BaseException as error:
        fail_uncaught(error, text)
    send_return(value)


run()
