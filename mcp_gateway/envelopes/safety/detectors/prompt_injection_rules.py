"""The signs of injected instructions in English and in markup.

A weight is the share of texts with the sign that are injections, as far as one can say: 0.5 and more is enough alone.
"""

from __future__ import annotations

from typing import Final

from mcp_gateway.envelopes.safety.detectors.prompt_injection_words import (
    IGNORE,
    RULE_NOUN,
    SECRET,
    SHOW,
    WHOSE,
    WORDS,
    Rule,
)

RULES: Final = (
    Rule(
        "override",
        0.7,
        r"(?i)\b"
        + IGNORE
        + r"[\s_]{1,4}"
        + WORDS
        + r"{0,4}?"
        + WHOSE
        + r"[\s_]{1,4}"
        + WORDS
        + r"{0,3}?"
        + RULE_NOUN
        + r"\b",
    ),
    Rule(
        "override",
        0.6,
        r"(?i)\b(?:forget|ignore|disregard)[\s_]{1,4}(?:about[\s_]{1,4})?(?:everything|anything|all"
        r"|what(?:ever)?)[\s_]{1,4}"
        + WORDS
        + r"{0,4}?(?:above|before|previous(?:ly)?|prior|told|said|wrote|learned|know|earlier|instructed"
        r"|else)\b",
    ),
    Rule(
        "override",
        0.55,
        r"(?i)\b(?:forget|ignore|disregard)[\s_]{1,4}(?:everything|all[\s_]{1,3}(?:of[\s_]{1,3})?(?:this"
        r"|that|it))\b",
    ),
    Rule(
        "override",
        0.55,
        r"(?i)\b(?:ignore|disregard|forget)[\s_]{1,4}(?:the[\s_]{1,3})?(?:above|previous|prior"
        r"|preceding)[\s_]{0,2}(?:[.,;:!\n]|$|(?:and|text|conversation|context|messages?|content|user"
        r"|input|sentences?)\b)",
    ),
    Rule(
        "override", 0.5, r"(?i)\b(?:ignore|disregard)[\s_]{1,4}(?:all|the[\s_]{1,3}user)\b[\s_]{0,3}(?:[:.,;!]|and\b|$)"
    ),
    Rule(
        "override",
        0.5,
        r"(?i)\b(?:bypass|circumvent|override|ignore|evade|disable|suspend|violate)[\s_]{1,4}"
        + WORDS
        + r"{0,3}?(?:safety|safeguards|guardrails|restrictions|limitations|content[\s_]{1,3}polic(?:y|ies))\b",
    ),
    Rule(
        "override",
        0.5,
        r"(?i)\b(?:safety|safeguards?|guardrails?|restrictions?|content[\s_]{1,3}filters?)[\s_]{1,4}"
        + WORDS
        + r"{0,3}?(?:disabled|suspended|deactivated|removed|lifted|(?:turned[\s_]{1,3})?off)\b"
        r"|\bsafety[\s_]{0,2}=[\s_]{0,2}(?:false|off|0|none|disabled)",
    ),
    Rule(
        "override",
        0.55,
        r"(?i)\b(?:instructions?|rules|commands|requests)[\s_]{1,4}"
        + WORDS
        + r"{0,3}?(?:take|takes|have|has|more|supersedes?|overrides?|outranks?)[\s_]{1,4}"
        + WORDS
        + r"{0,4}?(?:system|developer|previous|original|safety)\b",
    ),
    Rule(
        "override",
        0.5,
        r"(?i)\bsystem[\s_]{1,2}override\b|\boverride[\s_]{1,2}system\b|\bonly[\s_]{1,3}(?:follow|obey"
        r"|listen[\s_]{1,3}to)[\s_]{1,3}(?:my|me|these)\b",
    ),
    Rule(
        "override",
        0.5,
        r"(?i)\b(?:disable|turn[\s_]{1,3}off|remove|deactivate|circumvent|lift|unlock)[\s_]{1,4}"
        + WORDS
        + r"{0,4}?(?:safety|content|security|ethical|moral|moderation)[\s_]{1,4}"
        + WORDS
        + r"{0,2}?(?:filters?|guidelines?|restrictions?|protocols?|measures|limits?|controls|checks"
        r"|polic(?:y|ies)|constraints?)\b",
    ),
    Rule(
        "new_instructions",
        0.45,
        r"(?i)\b(?:new|updated|real|actual|secret|hidden|additional"
        r"|following)[\s_]{1,3}(?:system[\s_]{1,3})?(?:instructions?|task|directive|orders"
        r"|objective)[\s_]{0,3}(?::|\b(?:is|are)\b)",
    ),
    Rule(
        "turn",
        0.35,
        r"(?i)\bfrom[\s_]{1,3}now[\s_]{1,3}on\b|\binstead[\s_]{0,3}[,:]?[\s_]{1,3}(?:you[\s_]{1,3}(?:must"
        r"|should|will)|do|say|write|print|output|respond|reply|answer)\b",
    ),
    Rule(
        "new_instructions",
        0.4,
        r"(?i)\b(?:you|assistant|ai)[\s_]{1,3}must[\s_]{1,3}(?:now|immediately|first|always|obey"
        r"|comply)\b|\b(?:SYSTEM|ADMIN|DEVELOPER)[\s_]{0,2}(?:OVERRIDE|COMMAND|MESSAGE|NOTE"
        r"|INSTRUCTIONS?)\b",
    ),
    Rule(
        "role_marker",
        0.65,
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|start_header_id|end_header_id|eot_id"
        r"|begin_of_text)\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>",
    ),
    Rule(
        "role_marker",
        0.55,
        r"(?i)(?:^|\n)[\s_]{0,4}(?:#{1,4}|\*{2}|={3,8}|-{3,8}|\[|<)[\s_]{0,3}(?:system"
        r"|developer)(?:[\s_]{1,3}(?:prompt|message|instructions?|override"
        r"|note))?[\s_]{0,3}(?:[:\]>*#=\-])",
    ),
    Rule(
        "role_marker",
        0.5,
        r"(?i)[\"']role[\"'][\s_]{0,3}:[\s_]{0,3}[\"'](?:system|developer)[\"']|</?(?:system|sys"
        r"|developer)(?:[_\-](?:prompt|message|instructions?))?>",
    ),
    Rule(
        "role_marker",
        0.45,
        r"(?i)\b(?:begin|start|end)[\s_]{1,3}(?:of[\s_]{1,3})?(?:system|admin|hidden"
        r"|secret)[\s_]{1,3}(?:prompt|message|instructions?)\b|<IMPORTANT>",
    ),
    Rule("role_marker", 0.3, r"(?:^|\n)[ \t]{0,4}(?:Human|Assistant|System|SYSTEM)[ \t]{0,3}:[ \t]{0,4}\S"),
    Rule(
        "persona",
        0.6,
        r"(?i)\b(?:do[\s_]{1,3}anything[\s_]{1,3}now|you[\s_]{1,3}are[\s_]{1,3}(?:now[\s_]{1,3})?(?:DAN"
        r"|STAN|DUDE|AIM|evil|an?[\s_]{1,3}(?:evil|unrestricted|unfiltered|uncensored|jailbroken"
        r"|amoral)))\b|\b(?:enable|activate|enter|switch[\s_]{1,3}to|in)[\s_]{1,4}"
        + WORDS
        + r"{0,2}?(?:developer|dan|god|debug|admin(?:istrator)?|root|sudo|unrestricted|jailbreak"
        r"|maintenance)[\s_]{1,3}mode\b",
    ),
    Rule(
        "persona",
        0.55,
        r"(?i)\b(?:act|behave|respond|answer|pretend|role[\s\-]?play|simulate|imagine)[\s_]{1,4}"
        + WORDS
        + r"{0,8}?(?:unrestricted|unfiltered|uncensored|evil\w{0,12}|no[\s_]{1,3}(?:restrictions?|rules"
        r"|limits?|limitations?|filters?|ethics|guidelines|morals?)|without[\s_]{1,4}"
        + WORDS
        + r"{0,3}?(?:restrictions?|filters?|limitations?|limits|censorship|rules|ethics|guidelines"
        r"|constraints?|morals?))\b",
    ),
    Rule(
        "persona",
        0.5,
        r"(?i)\b(?:no[\s_]{1,3}longer|not|un)[\s_]{0,3}(?:be[\s_]{1,3})?(?:bound|limited|restricted"
        r"|constrained)[\s_]{1,3}by[\s_]{1,4}"
        + WORDS
        + r"{0,4}?(?:rules?|guidelines?|polic(?:y|ies)|restrictions?|ethics|programming|openai|anthropic"
        r"|google)\b|\bjail[\s\-]?br(?:eak|oken)\b",
    ),
    Rule(
        "persona",
        0.5,
        r"(?i)\byou[\s_]{1,3}are[\s_]{1,3}no[\s_]{1,3}longer\b"
        r"|\bforget[\s_]{1,3}(?:that[\s_]{1,3})?you[\s_]{1,3}are\b|\b(?:act"
        r"|behave)[\s_]{1,3}as[\s_]{1,3}(?:an?[\s_]{1,3}|the[\s_]{1,3})?(?:system[\s_]{1,3}"
        r"|root[\s_]{1,3}|an?[\s_]{1,3})?(?:admin|administrator|root|sudo|superuser|hacker|keylogger"
        r"|malware|virus)\b",
    ),
    Rule(
        "persona",
        0.4,
        r"(?i)\b(?:unrestricted|unfiltered|uncensored)[\s_]{1,3}(?:mode|assistant|ai|model|access"
        r"|version)\b|\b(?:no|without(?:[\s_]{1,3}any)?)[\s_]{1,3}(?:restrictions|censorship"
        r"|ethical[\s_]{1,3}\w{1,20})\b",
    ),
    Rule(
        "persona",
        0.35,
        r"(?i)\byou[\s_]{1,3}are[\s_]{1,3}now\b|\byou[\s_]{1,3}(?:will|must|should)[\s_]{1,3}(?:act"
        r"|behave|pretend|role[\s\-]?play)\b|\bstay[\s_]{1,3}in[\s_]{1,3}character\b"
        r"|\bpretend[\s_]{1,3}(?:to[\s_]{1,3}be|(?:that[\s_]{1,3})?you)\b",
    ),
    Rule(
        "prompt_leak",
        0.6,
        r"(?i)\b"
        + SHOW
        + r"[\s_]{1,4}"
        + WORDS
        + r"{0,7}?(?:system|initial|hidden|original|secret|internal|developer|pre)[\s\-]{1,3}(?:prompts?"
        r"|instructions?|messages?|directives?|guidelines|configuration)\b",
    ),
    Rule(
        "prompt_leak",
        0.55,
        r"(?i)\b"
        + SHOW
        + r"[\s_]{1,4}"
        + WORDS
        + r"{0,5}?your[\s_]{1,4}"
        + WORDS
        + r"{0,3}?(?:instructions|prompt|prompts|guidelines|directives|rules|programming|configuration"
        r"|training[\s_]{1,3}data)\b",
    ),
    Rule(
        "prompt_leak",
        0.5,
        r"(?i)\b(?:repeat|print|output|copy|echo|spell[\s\-]?check|show)[\s_]{1,4}"
        + WORDS
        + r"{0,5}?(?:text|words|everything|sentences|lines|conversation|prompt|instructions?"
        r"|messages?)[\s_]{1,3}(?:above|before|preceding|verbatim)\b",
    ),
    Rule(
        "prompt_leak",
        0.55,
        r"(?i)\b" + SHOW + r"[\s_]{1,4}" + WORDS + r"{0,3}?(?:instructions?|prompts?|rules"
        r"|guidelines)[\s_]{1,4}(?:that[\s_]{1,3})?(?:(?:were[\s_]{1,3})?given[\s_]{1,3}to[\s_]{1,3}you"
        r"|you[\s_]{1,3}(?:were|have[\s_]{1,3}been|received|got|follow))\b",
    ),
    Rule(
        "exfiltration",
        0.6,
        r"(?i)\b(?:send|post|upload|forward|e?-?mail|transmit|exfiltrate|leak|submit|append|copy"
        r"|attach)[\s_]{1,4}"
        + WORDS
        + r"{0,8}?"
        + SECRET
        + r"[^\n]{0,120}?(?:https?://|[\w.\-]{1,64}@[\w\-]{1,64}\.|\bwebhook|\battacker|\bexternal)",
    ),
    Rule(
        "exfiltration",
        0.55,
        r"(?i)\b(?:reveal|leak|dump|exfiltrate|disclose|expose|steal|give[\s_]{1,3}me|show[\s_]{1,3}me"
        r"|print|output|list)[\s_]{1,4}"
        + WORDS
        + r"{0,4}?(?:all|every|your|the[\s_]{1,3}(?:admin|user|users|root|system|stored|internal"
        r"|secret))[\s_]{1,4}" + WORDS + r"{0,3}?" + SECRET,
    ),
    Rule(
        "markdown_image",
        0.6,
        r"!\[[^\]\n]{0,200}\]\(\s{0,3}https?://[^)\s]{0,400}[?&/=][^)\s]{0,200}(?:\{[^)\s}]{1,80}\}|\$\{"
        r"|%7[Bb]|<[A-Za-z_ ]{1,40}>|\[[A-Z_ ]{2,40}\])",
    ),
    Rule(
        "markdown_image",
        0.35,
        r"!\[[^\]\n]{0,200}\]\(\s{0,3}https?://[^)\s?]{1,200}\?[^)\s]{0,100}(?:data|q|d|c|secret|prompt"
        r"|content|text|info|exfil)=[^)\s]{1,1000}\)",
    ),
    Rule(
        "concealment",
        0.55,
        r"(?i)\b(?:do[\s_]{1,3}not|don['’]?t|never|without|avoid)[\s_]{1,3}(?:tell(?:ing)?|inform(?:ing)?"
        r"|mention(?:ing)?|notify(?:ing)?|alert(?:ing)?|reveal(?:ing)?|warn(?:ing)?|ask(?:ing)?"
        r"|show(?:ing)?|disclos(?:e|ing))[\s_]{1,4}"
        + WORDS
        + r"{0,5}?(?:users?|human|anyone|anybody|operator|customer|person)\b",
    ),
    Rule(
        "concealment",
        0.5,
        r"(?i)\b(?:hide|conceal|keep)[\s_]{1,4}"
        + WORDS
        + r"{0,5}?(?:secret[\s_]{1,3}|hidden[\s_]{1,3})?from[\s_]{1,3}the[\s_]{1,3}(?:user|human|operator)\b",
    ),
    Rule(
        "tool_abuse",
        0.5,
        r"(?i)\bbefore[\s_]{1,3}(?:using|calling|invoking|running|answering)[\s_]{1,4}"
        + WORDS
        + r"{0,4}?(?:tools?|functions?|request|question)\b[^\n]{0,80}\b(?:read|call|invoke|run|execute|send"
        r"|fetch|must)\b",
    ),
    Rule(
        "tool_abuse",
        0.4,
        r"(?i)\b(?:call|use|invoke|run|execute"
        r"|trigger)[\s_]{1,3}(?:the[\s_]{1,3})?[`'\"]?[\w.\-/]{2,64}[`'\"]?[\s_]{1,3}(?:tool|function"
        r"|command|plugin|api)\b[^\n]{0,120}\b(?:without|immediately|silently|automatically|first"
        r"|then[\s_]{1,3}(?:send|delete|transfer))\b",
    ),
    Rule(
        "tool_abuse",
        0.5,
        r"(?i)\b(?:execute|run)[\s_]{1,4}"
        + WORDS
        + r"{0,4}?(?:the[\s_]{1,3}following[\s_]{1,3})?(?:shell|bash|system|terminal|os|powershell"
        r"|python)[\s_]{1,3}(?:commands?|code|script)?[\s_]{0,3}[:`'\"]",
    ),
    Rule(
        "encoded",
        0.55,
        r"(?i)\b(?:decode|decrypt|de-?obfuscate|base64|rot-?13|hex|caesar|morse)\b[^\n]{0,120}\b(?:and"
        r"|then)[\s_]{1,4}" + WORDS + r"{0,3}?(?:follow|execute|run|obey|perform|comply|do|carry[\s_]{1,3}out|act)\b",
    ),
    Rule(
        "encoded",
        0.5,
        r"(?i)\b(?:execute|run|follow|obey|interpret)[\s_]{1,4}"
        + WORDS
        + r"{0,4}?(?:base64|rot-?13|hex|encoded|encrypted|obfuscated)\b",
    ),
    Rule("invisible", 0.8, r"(?:^|[^\x{1F3F4}\x{E0000}-\x{E007F}])[\x{E0000}-\x{E007F}]{4,1000}"),
    Rule(
        "invisible",
        0.45,
        r"[\x{200B}-\x{200D}\x{2060}-\x{2064}\x{FEFF}]{8,1000}|[\x{FE00}-\x{FE0F}\x{E0100}-\x{E01EF}]{8,1000}",
    ),
    Rule("invisible", 0.35, r"[\x{202D}\x{202E}][^\n\x{202C}]{1,200}"),
)
"""In no order: each is looked for."""
