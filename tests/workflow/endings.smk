"""Rules that end in every way in which a step can end; each is asked for by its output."""

ENDINGS = ("raised", "refused", "left", "killed", "missing", "shell", "shell_words", "python", "tool")


rule ended_raised:
    output:
        "ended/raised-{n}.txt",
    log:
        "ended/raised-{n}.log",
    script:
        "ending.py"


rule ended_refused:
    output:
        "ended/refused-{n}.txt",
    log:
        "ended/refused-{n}.log",
    script:
        "ending.py"


rule ended_left:
    output:
        "ended/left-{n}.txt",
    log:
        "ended/left-{n}.log",
    script:
        "ending.py"


rule ended_killed:
    output:
        "ended/killed-{n}.txt",
    log:
        "ended/killed-{n}.log",
    script:
        "ending.py"


rule ended_missing:
    output:
        "ended/missing-{n}.txt",
    log:
        "ended/missing-{n}.log",
    script:
        "ending.py"


rule ended_shell:
    output:
        "ended/shell-{n}.txt",
    shell:
        "exit 3"


rule ended_words:
    output:
        "ended/words-{n}.txt",
    log:
        "ended/words-{n}.log",
    shell:
        "(echo reading; echo the disk is square >&2; exit 4) > {log} 2>&1"


rule ended_tool:
    output:
        "ended/tool-{n}.txt",
    shell:
        "no_such_tool {output}"


rule ended_run:
    output:
        "ended/run-{n}.txt",
    run:
        raise ValueError("no such thing")
