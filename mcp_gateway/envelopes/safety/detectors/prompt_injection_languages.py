"""The signs of injected instructions in other languages; a weight means what it does in `prompt_injection_rules`."""

from __future__ import annotations

from typing import Final

from mcp_gateway.envelopes.safety.detectors.prompt_injection_words import Rule

_WORDS: Final = r"(?:[\p{L}\p{M}'’\-]{1,20}[\s,_]{1,4})"

LANGUAGES: Final = (
    Rule(
        "override",
        0.7,
        r"(?i)(?:anweisungen|regeln|vorgaben|instruktionen)[\s_]{1,4}(?:zu[\s_]{1,3})?(?:ignorieren"
        r"|missachten|vergessen|umgehen)\b|(?:ignorier\p{L}{0,3}|vergiss|vergesse?n?|missachte\p{L}{0,2}"
        r"|übergehe?|umgehe?)[\s_]{1,4}"
        + _WORDS
        + r"{0,5}?(?:anweisung\p{L}{0,3}|instruktion\p{L}{0,3}|regeln|vorgaben|befehle?|richtlinien|aufgaben"
        r"|alles|davor|zuvor|vorher\p{L}{0,4})",
    ),
    Rule(
        "override",
        0.7,
        r"(?i)(?:ignor(?:e[zr]?|ons)|oubli(?:e[zr]?)|n[ée]gligez?|contourne[zr]?)[\s_]{1,4}"
        + _WORDS
        + r"{0,5}?(?:instructions?|consignes|r[èe]gles|directives|ordres|tout[\s_]{1,3}ce[\s_]{1,3}qui"
        r"|pr[ée]c[ée]dent\p{L}{0,2})",
    ),
    Rule(
        "override",
        0.7,
        r"(?i)(?:ignor(?:a|e|ar|en)|olvid(?:a|e|ar)|haz[\s_]{1,3}caso[\s_]{1,3}omiso|desatiende|dimentica"
        r"|scorda|esque[çc]a|desconsidere)[\s_]{1,4}"
        + _WORDS
        + r"{0,5}?(?:instruc\p{L}{2,7}|istruzioni|reglas|regole|regras|[óo]rdenes|ordens|ordini|indicaciones"
        r"|directrices|anteriores|precedenti|todo|tutto|tudo)",
    ),
    Rule(
        "override",
        0.7,
        r"(?i)(?:negeer|vergeet)[\s_]{1,4}"
        + _WORDS
        + r"{0,5}?(?:instructies|aanwijzingen|regels|opdrachten)|(?:zignoruj|ignoruj|zapomnij)[\s_]{1,4}"
        + _WORDS
        + r"{0,5}?(?:instrukcj\p{L}{1,3}|polece\p{L}{1,3}|zasad\p{L}{0,2})|(?:[öÖ]nceki|yukarıdaki|tüm)[\s_]{1,4}"
        + _WORDS
        + r"{0,3}?(?:talimat\p{L}{1,6}|kural\p{L}{1,6})[\s_]{1,4}"
        + _WORDS
        + r"{0,2}?(?:yok[\s]say|unut|görmezden|dikkate[\s]alma)",
    ),
    Rule(
        "override",
        0.7,
        r"(?i)(?:игнориру\p{L}{1,4}|проигнориру\p{L}{1,4}|забудь\p{L}{0,2}"
        r"|отмени\p{L}{0,2})[\s_]{1,4}(?:\p{L}{1,20}[\s_]{1,4}){0,5}?(?:инструкци\p{L}{1,3}"
        r"|указани\p{L}{1,3}|правил\p{L}{0,3}|команд\p{L}{0,2}|вс[её])"
        r"|(?:ігнору\p{L}{1,3})[\s_]{1,4}(?:\p{L}{1,20}[\s_]{1,4}){0,5}?(?:інструкці\p{L}{1,3}"
        r"|вказівк\p{L}{1,3})",
    ),
    Rule(
        "override",
        0.7,
        r"(?:忽略|无视|無視|忘记|忘記|忘掉|不要遵守|绕过|繞過).{0,12}?(?:指令|指示|提示|规则|規則|说明|說明|内容|限制|命令)|(?:指示|命令|ルール|指令"
        r"|プロンプト)(?:を|は)?.{0,6}?(?:無視|忘れ)|(?:지시|명령|규칙|지침|프롬프트).{0,8}?(?:무시|잊)",
    ),
    Rule(
        "override",
        0.7,
        r"(?:تجاهل|انس|انسى)[\s_]{1,4}(?:\p{L}{1,20}[\s_]{1,4}){0,4}?(?:ال)?(?:تعليمات|أوامر|قواعد"
        r"|توجيهات)|(?:निर्देश|आदेश|नियम)\p{M}{0,3}\p{L}{0,4}\p{M}{0,3}[\s_]{1,4}(?:\S{1,12}[\s_]{1,4}){0,"
        r"3}?(?:अनदेखा|नज़रअंदाज़|भूल|अनदेखी)|(?:התעלם|התעלמי"
        r"|שכח)[\s_]{1,4}(?:\p{L}{1,20}[\s_]{1,4}){0,4}?(?:מה?|ה)?(?:הוראות|הנחיות|כללים)",
    ),
    Rule(
        "prompt_leak",
        0.6,
        r"(?i)(?:zeig\p{L}{0,2}|nenn\p{L}{0,2}|verrat\p{L}{0,2}|montre[zr]?|r[ée]v[èe]le[zr]?|affiche[zr]?"
        r"|muestra\p{L}{0,3}|revela\p{L}{0,2}|mostra\p{L}{0,3}|mostre|rivela\p{L}{0,2})[\s_]{1,4}"
        + _WORDS
        + r"{0,5}?(?:system[\s\-]?prompts?|systemanweisung\p{L}{0,2}|prompt[\s_]{1,3}(?:syst[èe]me"
        r"|del[\s_]{1,3}sistema|do[\s_]{1,3}sistema|di[\s_]{1,3}sistema)|instruc\p{L}{2,7}"
        r"|données[\s_]{1,3}internes|(?:mot|palabra)s?[\s_]{1,3}de[\s_]{1,3}passe|contraseñas?)|(?:显示|告诉我"
        r"|输出|泄露|顯示).{0,10}?(?:系统提示|提示词|系統提示|密码)|(?:покажи|раскрой"
        r"|выведи)[\s_]{1,4}(?:\p{L}{1,20}[\s_]{1,4}){0,4}?(?:системн\p{L}{1,4}|промпт"
        r"|инструкци\p{L}{1,2}|парол\p{L}{1,2})",
    ),
)
"""In no order: each is looked for."""
