"""What dangerous code looks like, by language. RE2 syntax, every repetition bounded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Language(Enum):
    """In which the rules of a guard are."""

    PYTHON = "python"
    SHELL = "shell"
    JAVASCRIPT = "javascript"


LANGUAGES: Final = tuple(language.value for language in Language)


@dataclass(frozen=True, slots=True)
class Rule:
    """One way of writing one thing."""

    kind: str
    language: Language
    expression: str


_CALL: Final = r"[ \t]{0,4}\("
_FLAGS: Final = r"(?:-{1,2}[A-Za-z\-]{1,24}(?:=[^\s;|&]{1,64})?[ \t]{1,4}){0,6}"
_RECURSIVE: Final = r"-{1,2}(?:[A-Za-z]{0,8}[rR][A-Za-z]{0,8}|recursive)"
_SHELLS: Final = r"(?:ba|z|da|k|c|fi)?sh"
_DANGEROUS_PLACE: Final = r"(?:/|~|\$HOME|\$\{HOME\}|\*|\.{1,2}(?:[/\s;&|]|$)|[A-Za-z]:\\)"

RULES: Final = (
    Rule("code_eval", Language.PYTHON, r"(?:^|[^\w.])eval" + _CALL),
    Rule("code_exec", Language.PYTHON, r"(?:^|[^\w.])(?:exec|execfile)" + _CALL),
    Rule(
        "code_compile",
        Language.PYTHON,
        r"(?:^|[^\w.])compile" + _CALL + r"[^()\n]{0,200},[ \t]{0,4}['\"](?:exec|eval|single)['\"]",
    ),
    Rule(
        "code_command",
        Language.PYTHON,
        r"\bos\.(?:system|popen|startfile|exec[lv]p?e?|spawn[lv]p?e?|posix_spawnp?)" + _CALL,
    ),
    Rule(
        "code_command",
        Language.PYTHON,
        r"\b(?:subprocess|commands)\.(?:run|call|Popen|check_call|check_output|getoutput|getstatusoutput)" + _CALL,
    ),
    Rule("code_command", Language.PYTHON, r"\bpty\.spawn" + _CALL),
    Rule("code_import", Language.PYTHON, r"\b__import__" + _CALL),
    Rule(
        "code_unpickle",
        Language.PYTHON,
        r"\b(?:c?pickle|cPickle|dill|marshal|shelve|jsonpickle)\.(?:loads?|open|decode)" + _CALL,
    ),
    Rule("code_unpickle", Language.PYTHON, r"\byaml\.(?:unsafe_load|full_load)(?:_all)?" + _CALL),
    Rule("code_native", Language.PYTHON, r"\bctypes\.(?:CDLL|cdll|windll|pythonapi)\b"),
    Rule("code_delete", Language.PYTHON, r"\bshutil\.rmtree" + _CALL),
    Rule(
        "code_delete",
        Language.SHELL,
        r"\brm[ \t]{1,4}" + _FLAGS + _RECURSIVE + r"[ \t]{1,4}" + _FLAGS + r"['\"]?" + _DANGEROUS_PLACE,
    ),
    Rule("code_delete", Language.SHELL, r"\brm[ \t]{1,4}-(?:rf|fr|Rf|fR)\b"),
    Rule("code_delete", Language.SHELL, r"--no-preserve-root\b"),
    Rule("code_delete", Language.SHELL, r"\bfind[ \t][^\n;|&]{1,200}[ \t]-delete\b"),
    Rule(
        "code_delete",
        Language.SHELL,
        r"\bshred[ \t]{1,4}-|\bmkfs(?:\.[a-z0-9]{2,6})?[ \t]{1,4}[/-]|\bwipefs[ \t]{1,4}-",
    ),
    Rule("code_delete", Language.SHELL, r"\bdd[ \t][^\n;|&]{0,200}\bof=/dev/(?:sd|hd|vd|nvme|xvd|disk|mmcblk)"),
    Rule("code_delete", Language.SHELL, r">[ \t]{0,4}/dev/(?:sd|hd|vd|nvme|xvd|disk|mmcblk)"),
    Rule(
        "code_delete",
        Language.SHELL,
        r"(?i)\b(?:rd|rmdir)[ \t]{1,4}/s\b|\bdel[ \t]{1,4}(?:/[a-z][ \t]{1,4}){0,4}/s\b|\bformat[ \t]{1,4}[a-z]:",
    ),
    Rule("code_delete", Language.SHELL, r"(?i)\bRemove-Item\b[^\n;|]{0,200}-Recurse\b"),
    Rule(
        "code_download_and_run",
        Language.SHELL,
        r"\b(?:curl|wget|fetch)\b[^\n;]{1,300}\|[ \t]{0,4}"
        r"(?:sudo[ \t]{1,4}(?:-[A-Za-z]{1,4}[ \t]{1,4})?)?(?:/[\w/]{1,40}/)?(?:"
        + _SHELLS
        + r"|python[0-9.]{0,4}|perl|ruby|node|php)\b",
    ),
    Rule(
        "code_download_and_run",
        Language.SHELL,
        r"\b(?:" + _SHELLS + r"|eval|source|python[0-9.]{0,4})\b[^\n;|]{0,40}(?:\$\(|<\(|`)[ \t]{0,4}(?:curl|wget)\b",
    ),
    Rule(
        "code_download_and_run",
        Language.SHELL,
        r"(?i)\b(?:iex|invoke-expression)\b[^\n]{0,200}(?:downloadstring|iwr|invoke-webrequest|curl)"
        r"|(?:downloadstring|iwr|invoke-webrequest)[^\n]{0,200}\|[ \t]{0,4}(?:iex|invoke-expression)\b",
    ),
    Rule(
        "code_decode_and_run",
        Language.SHELL,
        r"\bbase64[ \t]{1,4}(?:-d|-D|--decode)\b[^\n;]{0,200}\|[ \t]{0,4}(?:sudo[ \t]{1,4})?(?:"
        + _SHELLS
        + r"|python[0-9.]{0,4}|perl)\b",
    ),
    Rule(
        "code_decode_and_run",
        Language.SHELL,
        r"(?i)\bpowershell(?:\.exe)?\b[^\n]{0,200}[ \t]-e(?:nc|ncodedcommand)?[ \t]{1,4}[A-Za-z0-9+/=]{16}",
    ),
    Rule("code_reverse_shell", Language.SHELL, r"/dev/(?:tcp|udp)/[^\s/]{1,253}/[0-9]{1,5}"),
    Rule(
        "code_reverse_shell",
        Language.SHELL,
        r"\b(?:nc|ncat|netcat)\b[^\n;|]{0,100}[ \t]-(?:[a-z]{0,4}e|c)[ \t]{1,4}(?:/[\w/]{1,40}/)?(?:"
        + _SHELLS
        + r"|cmd(?:\.exe)?)\b",
    ),
    Rule("code_reverse_shell", Language.SHELL, r"\bmkfifo[ \t][^\n]{1,200}\b(?:nc|ncat|netcat|telnet)\b"),
    Rule(
        "code_fork_bomb",
        Language.SHELL,
        r":[ \t]{0,4}\(\)[ \t]{0,4}\{[ \t]{0,4}:[ \t]{0,4}\|[ \t]{0,4}:[ \t]{0,4}&[ \t]{0,4}\}",
    ),
    Rule(
        "code_permissions",
        Language.SHELL,
        r"\bchmod[ \t]{1,4}" + _FLAGS + r"(?:0?777|[augo]{0,4}\+s|[0-7]?[42][0-7]{3})\b[ \t]",
    ),
    Rule("code_command", Language.SHELL, r"\b" + _SHELLS + r"[ \t]{1,4}-[a-z]{0,4}c[ \t]{1,4}['\"]"),
    Rule("code_eval", Language.SHELL, r"(?m)(?:^|[;&|][ \t]{0,4})eval[ \t]{1,4}[\"'$`]"),
    Rule(
        "code_eval",
        Language.JAVASCRIPT,
        r"(?:\bnew[ \t]{1,4}Function|\b(?:window|globalThis|self)\.eval|(?:^|[^\w.])eval)" + _CALL,
    ),
    Rule("code_eval", Language.JAVASCRIPT, r"\bset(?:Timeout|Interval)" + _CALL + r"[ \t]{0,4}['\"`]"),
    Rule(
        "code_eval",
        Language.JAVASCRIPT,
        r"\bvm\.(?:runIn(?:This|New)?Context|Script)\b|\.constructor\.constructor" + _CALL,
    ),
    Rule(
        "code_command",
        Language.JAVASCRIPT,
        r"\b(?:require|import)" + _CALL + r"[ \t]{0,4}['\"`](?:node:)?child_process['\"`]",
    ),
    Rule(
        "code_command",
        Language.JAVASCRIPT,
        r"\bfrom[ \t]{1,4}['\"](?:node:)?child_process['\"]|\bchild_process\.(?:exec|execFile|spawn|fork)(?:Sync)?"
        + _CALL,
    ),
    Rule("code_command", Language.JAVASCRIPT, r"\b(?:Deno\.(?:run|Command)|Bun\.(?:spawn|spawnSync|\$))\b"),
    Rule(
        "code_delete",
        Language.JAVASCRIPT,
        r"\bfs(?:\.promises)?\.(?:rm|rmdir)(?:Sync)?" + _CALL + r"[^()\n]{0,200}recursive",
    ),
)
"""In no order: each is looked for."""
