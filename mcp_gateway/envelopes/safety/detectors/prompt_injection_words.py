"""What the rules of `prompt_injection` are made of: parts of expressions (RE2, every repetition bounded)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """One sign. Several rules may stand for one; the strongest that matches counts."""

    sign: str
    weight: float
    expression: str


WORDS: Final = r"(?:[\w'’\-]{1,20}[\s,_]{1,4})"
IGNORE: Final = (
    r"(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|overrid(?:e|ing)|overlook|neglect|dismiss"
    r"|discard|bypass(?:ing)?"
    r"|cancel|skip|delete|erase|stop[\s_]{1,3}following|(?:do[\s_]{1,3}not|don['’]?t"
    r"|never)[\s_]{1,3}(?:follow|obey|listen[\s_]{1,3}to))"
)
RULE_NOUN: Final = (
    r"(?:instructions?|prompts?|directives?|directions?|rules?|guidelines?|commands?|orders"
    r"|restrictions?|constraints?"
    r"|safeguards?|guardrails?|(?:safety|content|security)[\s_]{1,3}(?:polic(?:y|ies)|filters?"
    r"|protocols?|measures)"
    r"|programming|assignments?|tasks?|training|polic(?:y|ies)|filters?)"
)
WHOSE: Final = (
    r"(?:all|any|every|everything|previous|prior|above|earlier|preceding|existing|initial|original"
    r"|former|foregoing|past"
    r"|old|other|your|system|developer|these|those|the[\s_]{1,3}user['’]?s?)"
)
SECRET: Final = (
    r"(?:passwords?|credentials?|api[\s_\-]?keys?|secrets?|access[\s_\-]?tokens?|tokens"
    r"|private[\s_\-]?keys?|ssh[\s_\-]?keys?"
    r"|cookies|\.env\b|id_rsa|environment[\s_]{1,3}variables?|conversation(?:[\s_]{1,3}history)?"
    r"|chat[\s_]{1,3}(?:history|logs?)"
    r"|customer[\s_]{1,3}(?:data|records)|personal[\s_]{1,3}(?:data|information)|database"
    r"|system[\s_]{1,3}prompt)"
)
SHOW: Final = (
    r"(?:reveal|show|print|repeat|output|display|tell[\s_]{1,3}me|leak|disclose|expose"
    r"|give[\s_]{1,3}me|share|dump|recite"
    r"|echo|return|write[\s_]{1,3}(?:out|down)|what[\s_]{1,3}(?:is|are|was|were)|what['’]s|copy"
    r"|summari[sz]e|translate|list|extract)"
)

STEMS: Final = (
    r"(?i)ignor|disregard|forget|overrid|overlook|neglect|dismiss|discard|bypass|cancel|skip|delet"
    r"|eras|follow|obey|listen"
    r"|disabl|turn\s{1,3}off|remov|deactivat|circumvent|lift|unlock|evade|suspend|violate|safe"
    r"|guardrail|system|instruct|task|directive|orders|objective|now|instead|must"
    r"|SYSTEM|ADMIN|DEVELOPER|<\||INST\]|SYS>|_of_turn>|IMPORTANT>|human|assistant|\bdan\b|evil"
    r"|mode\b|restrict|filter|limit"
    r"|censor|rules|ethic|guideline|moral|bound|jail|you|character|pretend|prompt|above|before"
    r"|verbatim|send|post|upload|forward"
    r"|mail|transmit|exfil|leak|submit|append|copy|attach|reveal|dump|disclos|expos|steal|show|print"
    r"|output|list|!\[|tell|inform"
    r"|mention|notif|alert|warn|ask|hide|conceal|keep|tool|execut|\brun\b|decod|decrypt|obfusc|base64"
    r"|rot-?13|hex|caesar|morse"
    r"|encrypt|encod|anweisung|regeln|vorgaben|instrukt|vergi?ss|vergesse|missacht|übergeh|umgeh"
    r"|oubli|n[ée]glig|contourn|olvid|omiso|desatiend|dimentic|scord"
    r"|esque|desconsid|negeer|vergeet|zapomn|talimat|kural|игнор|забудь|отмени|ігнор|忽略|无视|無視|忘|不要遵守|绕过|繞過"
    r"|무시|잊|تجاهل|انس|अनदेख|नज़र|भूल|התעלמ?|שכח|zeig|nenn|verrat|montre|r[ée]v[èe]l|affich|muestra"
    r"|revel|mostr|rivel"
    r"|显示|告诉我|输出|泄露|顯示|покажи|раскрой|выведи"
    r"|[\x{200B}-\x{200D}\x{202D}\x{202E}\x{2060}-\x{2064}\x{FE00}-\x{FE0F}\x{FEFF}\x{E0000}-\x{E01EF}]"
)
"""One of these is in every text that has a sign: looking for them is cheap, and enough for texts without words."""
