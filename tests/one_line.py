"""What a command says when it is called wrongly."""


def error_of(main, arguments, capsys):
    """Return the exit code and the one line on standard error."""
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1, err
    return code, err
