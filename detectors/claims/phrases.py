"""The phrases in which answers and questions speak of their evidence, as patterns; :mod:`detectors.claims.mentions` reads with them.

A group is named for the thing it is about (a key of :data:`THINGS`), with a digit where a pattern has several such groups.
"""

from __future__ import annotations

import re

# Nouns by what they name; the same words tell whether a text speaks of such a thing itself.
THINGS: dict[str, str] = {
    "image": r"(?:images?|pictures?|photos?|photographs?|screenshots?|screen\s+captures?|snapshots?|scans?|x-rays?|drawings?)",
    "chart": (r"(?:(?:bar|line|pie|flow|column|area)\s*)?(?:charts?|graphs?)|histograms?|diagrams?|infographics?|(?:scatter|box)\s*plots?"),
    "audio": (
        r"(?:audio(?:\s+(?:clips?|files?|recordings?|tracks?))?|recordings?|voice\s*mails?"
        r"|(?:voice|sound)\s+(?:messages?|notes?|clips?|memos?|files?))"
    ),
    "video": r"(?:videos?(?:\s+clips?)?|video\s+(?:files?|recordings?)|footage|clips?|screen\s+recordings?)",
    "document": r"(?:(?:pdf|word)\s+(?:files?|documents?)|documents?|pdfs?)",
    "attachment": r"(?:files?|attachments?|reports?|letters?|memos?|invoices?|contracts?|receipts?|forms?|articles?)",
    "table": r"(?:tables?|spreadsheets?|worksheets?)",
    "transcript": r"(?:transcripts?|transcriptions?)",
}
_NAMED = [f"(?P<{name}>{words})" for name, words in sorted(THINGS.items(), key=lambda item: item[0] != "video")]
# Longest first: a "video recording" is no recording, "audio file" no file.
_THING = f"(?:{'|'.join(_NAMED)})"
ORDINALS = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
}
_HANDED = r"(?:attached|uploaded|enclosed|provided|supplied|accompanying|shared|submitted|embedded)"
_PLAIN = (
    rf"(?:{'|'.join(ORDINALS)}|last|left|right|top|bottom|upper|lower|main|original|colou?r|black[- ]and[- ]white|aerial|satellite|short"
    r"|entire|next|previous|other|same|given|above|below|following|screen|stock|x-ray|input)"
)
_DETERMINER = r"(?:the|this|that|these|those|both|each\s+of\s+the|all\s+of\s+the|all\s+the|one\s+of\s+the)"
# What follows the noun in compounds and idioms that name another thing.
_NOT_THEN = (
    r"(?!['’]s\b(?!\s+(?:caption|title|legend|axis|axes)))(?![-\w])"
    r"(?!\s+(?:gam(?:es?|ing|ers?)|conferenc\w*|calls?|cards?|chats?|stream\w*|players?|edit\w+|settings?|studios?|industry|artists?"
    r"|engineers?|frames?\b(?!\s+(?:shows?|is))|albums?|books?|formats?|process\w*|recognition|quality|resolution|sizes?|types?|production"
    r"|decks?|desks?|tennis|cloth|tops?|toppers?|topping|management|librar\w+|galler\w+|consultants?|rights?|stores?|platforms?|apps?"
    r"|software|cameras?|positions?|success|of\s+(?:a|his|her|their|its|my|god|health)\b))"
)
_ADVERB = r"(?:\s+(?:clearly|also|only|mainly|mostly|then|itself|above|below|here|prominently|simply|actually))?"
_TELLS = (
    r"(?:shows?|showed|depicts?|displays?|illustrates?|features?|captures?|reveals?|indicates?|contains?|says|mentions?|states?|lists?|presents?"
    r"|compares?|portrays?|opens|begins|starts|ends|fades|cuts|pans|zooms|highlights?|suggests?|includes?|names|gives|sets|describes?|plots"
    r"|confirms?|has(?!\s+(?:been|become|to))|does(?:\s+not|n['’]t)\s+(?:show|say|state|mention|contain|give|name|list|include)"
    r"|(?:was|were|is|are)\s+(?:clearly\s+)?(?:taken|captured|shot|titled|label+ed|captioned)"
    r"|is\s+an?\s+(?:close-?up|photo\w*|screenshot|line|bar|pie|scatter|selfie|collage|still)|(?:appears|seems)\s+to\s+(?:show|be|depict|have))\b"
)
_THROUGH = (
    r"(?:according\s+to|based\s+(?:up)?on|looking\s+(?:closely\s+)?at|judging\s+(?:by|from)|from|in|within|throughout|per|see|seen\s+(?:in|on)"
    r"|(?:shown|depicted|illustrated|displayed|visible|pictured|described|stated|mentioned|heard|listed|given)\s+(?:in|on|by)"
    r"|(?:top|bottom|cent(?:er|re)|middle|left|right|start|beginning|end|background|foreground|corner|side|edge)\s+of)"
)
_TAIL = (
    rf"(?:\s+(?:(?:that|which)\s+)?you(?:['’]ve|\s+have)?\s+(?:just\s+)?(?:{_HANDED}|sent|gave|posted|included|linked)"
    rf"|\s+{_HANDED}|\s+(?:above|below))"
)

RULES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in {
        "handed": rf"\b(?:{_DETERMINER}|your|an?)\s+(?:{_PLAIN}\s+)?{_HANDED}\s+(?:{_PLAIN}\s+)?{_THING}{_NOT_THEN}",
        "tailed": rf"\b(?:{_DETERMINER}|your)\s+(?:{_PLAIN}\s+){{0,2}}{_THING}{_TAIL}",
        "above": rf"\b(?:{_DETERMINER}|your)\s+(?:above|below)\s+{_THING}{_NOT_THEN}",
        "tells": rf"\b(?:{_DETERMINER}|your)\s+(?:{_PLAIN}\s+){{0,2}}{_THING}{_NOT_THEN}{_ADVERB}\s+{_TELLS}",
        "through": rf"\b{_THROUGH}\s+{_DETERMINER}\s+(?:{_PLAIN}\s+){{0,2}}{_THING}{_NOT_THEN}",
        "ordinal": rf"\bon\s+the\s+(?:{'|'.join(ORDINALS)}|last)\s+{_THING}{_NOT_THEN}",
        "is": (
            r"(?:^|(?<=[.!?\n]\s)|(?<=\n))(?:this|it)\s+(?:is|(?:appears|seems)\s+to\s+be|looks\s+like)\s+an?\s+"
            rf"(?:[\w-]+\s+){{0,2}}?{_THING}\s+(?:of|with|showing|that\s+shows)\b"
        ),
        "numbered": (
            r"\b(?P<image>image|photo|picture|screenshot)\s+#?(?P<number>\d{1,2})\b"
            r"(?=\s+(?:shows?|depicts?|displays?|has|is|contains?))"
        ),
        "figure": r"\b(?:shown|seen|illustrated|depicted|see|plotted|given)\s+(?:in\s+)?(?P<chart>fig(?:ure|\.)\s*\d+)\b"
        r"|\b(?P<chart2>figure\s+\d+)\s+(?:shows|depicts|illustrates|plots|compares)\b",
    }.items()
)
# Nouns that mean other things too often to be taken by a loose phrase.
STRICT = frozenset(("attachment",))
POINTED = frozenset(("handed", "tailed", "above"))
PAGE = re.compile(
    r"\b(?:(?:on|see|from|at)\s+)?page\s+(?P<d>\d{1,4})\s+of\s+(?:the|this)\s+"
    r"(?:document|report|pdf|file|contract|manual|attachment|slides?|deck|paper|guide|policy|agreement)\b"
    r"|\b(?:on|see|from|at)\s+pages?\s+(?P<a>\d{1,4})(?!\s*[%:]|\.\d)|(?:^|(?<=[.!?\n]\s)|(?<=\n))page\s+(?P<b>\d{1,4})\b(?=\s+[a-z])"
    r"|[(\[]\s*(?:see\s+)?(?:pages?|pp?\.)\s*(?P<c>\d{1,4})\s*[)\]]",
    re.IGNORECASE | re.MULTILINE,
)
CITED_WORK = re.compile(
    r"\b(?:1[5-9]|20)\d\d\b[^()\n]{0,40}$|\b(?:book|novel|ed\.|vol\.|magazine|newspaper|issue|edition|journal)\b", re.IGNORECASE
)
_CLOCK = r"(?P<{0}>(?:\d{{1,2}}:)?\d{{1,2}}:[0-5]\d)(?:\.\d+)?(?![:\d])"
MOMENT = re.compile(
    rf"\b(?:at|around|about|from|by|until|to|and|after|before|between|starting\s+at)\s+{_CLOCK.format('a')}|[(\[]\s*{_CLOCK.format('b')}"
    rf"\s*(?:[)\]]|[–-])",
    re.IGNORECASE,
)
TIME_OF_DAY = re.compile(
    r"\b(?:meet\w*|schedul\w*|appointments?|trains?|flights?|bus|leav\w+\s+at|depart\w*|arriv\w+|clock|alarm|o['’]clock|tomorrow|today|tonight"
    r"|yesterday|morning|afternoon|evening|noon|(?:mon|tues|wednes|thurs|fri|satur|sun)day|opens?\s+at|closes?\s+at|lunch|dinner|breakfast"
    r"|deadline|due|score|ratio)\b",
    re.IGNORECASE,
)
DAYTIME_AFTER = re.compile(
    r"\s*(?:a\.?m\b|p\.?m\b|o['’]clock|hours?\b|gmt|utc|cet|est|pst|on\s+\w+day|(?:this|in\s+the)\s+(?:morning|afternoon|evening))",
    re.IGNORECASE,
)

_ANY = r"(?:an?|any|the|this|that|your|those|these)"
_MEDIA = "|".join(f"(?P<{name}>{THINGS[name]})" for name in ("video", "audio", "image", "chart", "document", "transcript"))
_MEDIUM = rf"(?:{_MEDIA}|(?P<attachment>files?|attachments?))"
_NOT_SCENE = r"(?!['’\w-])(?!\s+(?:on|hang\w+|behind|in\s+front|above\s+the|next)\b)"
_SENSE = r"(?:view|see|open|access|read|process|hear|listen\s+to|play|watch|analy[sz]e|look\s+at|display|load|interpret)"
_WHICH = rf"(?:{_ANY}\s+)?(?:{_HANDED}\s+)?"
_NOT_DONE = r"(?:do|did|could|can|have|has|is|was)(?:\s+not|n['’]t)"
_CANNOT = r"(?:can\s*not|can['’]t|could\s+not|couldn['’]t)"
_IS = r"(?:is|was|are|were|has\s+been|have\s+been)"
_SEEMS = r"(?:is|was|are|(?:seems?|appears?)(?:\s+to\s+be)?|looks?)"
_BAD = (
    r"(?:(?:far\s+|much\s+)?too\s+(?:blurr(?:y|ed)|dark|small|noisy|quiet|faint|unclear|low)\b[^.!?\n]{0,40}?\bto\s+\w+"
    r"|blank|empty|corrupt(?:ed)?|illegible|unreadable|inaudible|silent|damaged|(?<=completely\s)black|(?<=entirely\s)black)"
    r"(?!\s+(?:and\s+white|space|wall))"
)
DENIALS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (
            "absent",
            (
                rf"\b(?:no|none\s+of\s+the|neither)\s+(?:[\w-]+\s+)?{_MEDIUM}\s+{_IS}\s+(?:actually\s+)?"
                rf"(?:{_HANDED}|included|sent|received|visible|present|available|given)\b"
            ),
        ),
        (
            "absent",
            (
                rf"\bthere\s+(?:is|was)\s+no\s+{_MEDIUM}\s+"
                rf"(?:{_HANDED}|in\s+your|with\s+your|to\s+(?:look|see|read|listen|watch|analy[sz]e)|here)\b"
            ),
        ),
        (
            "absent",
            (
                rf"\bI\s+(?:{_NOT_DONE}|cannot)\s+(?:actually\s+)?(?:see|find|have|receive|get|detect)\s+(?:an?|any)\s+"
                rf"(?:{_HANDED}\s+)?{_MEDIUM}{_NOT_SCENE}"
            ),
        ),
        (
            "absent",
            rf"\byou\s+{_NOT_DONE}\s+(?:yet\s+)?(?:{_HANDED}|provide|attach|upload|share|send|sent|included?|submit)\s+(?:{_ANY}\s+)?{_MEDIUM}",
        ),
        (
            "absent",
            (
                rf"\b{_ANY}\s+(?:{_HANDED}\s+)?{_MEDIUM}\s+(?:{_NOT_DONE}\s+(?:come\s+through|upload|arrive|attach|load|{_HANDED})"
                r"|is\s+missing|failed\s+to\s+(?:load|upload))\b"
            ),
        ),
        (
            "unable",
            rf"\bI(?:['’]m|\s+am)\s+(?:currently\s+)?(?:unable|not\s+able)\s+to\s+(?:directly\s+)?{_SENSE}\s+{_WHICH}{_MEDIUM}{_NOT_SCENE}",
        ),
        ("unable", rf"\bI\s+{_CANNOT}\s+(?:directly\s+|actually\s+)?{_SENSE}\s+{_WHICH}{_MEDIUM}{_NOT_SCENE}"),
        (
            "unable",
            rf"\bI\s+{_NOT_DONE}\s+have\s+(?:access\s+to|the\s+ability\s+to\s+{_SENSE})\s+{_WHICH}{_MEDIUM}{_NOT_SCENE}",
        ),
        (
            "unable",
            rf"\b{_ANY}\s+(?:{_HANDED}\s+)?{_MEDIUM}\s+{_CANNOT}\s+be\s+(?:opened|read|loaded|played|accessed|viewed|decoded|displayed)\b",
        ),
        (
            "unreadable",
            (
                rf"\b{_ANY}\s+(?:{_HANDED}\s+)?(?:(?P<page>page)|{_MEDIUM})\s+{_SEEMS}\s+"
                rf"(?:(?:completely|entirely|totally|almost|all)\s+)?{_BAD}"
            ),
        ),
        (
            "unreadable",
            rf"\bI\s+{_CANNOT}\s+(?:hear|make\s+out|see|recogni[sz]e|read)\s+anything\s+(?:at\s+all\s+)?(?:on|in)\s+{_ANY}\s+{_MEDIUM}",
        ),
    )
)
ASKS_FOR_IT = re.compile(
    r"\b(?:please|(?:can|could|would|will|may|should|must)\s+(?:you|i|we)|if\s+(?:you|there)|once\s+(?:you|the)|you\s+(?:can|could|may|should|need|must|have\s+to)"
    r"|feel\s+free|happy\s+to|try\s+to|i\s+(?:need|would\s+need)|without)\b[^.!?\n]*$",
    re.IGNORECASE,
)
HYPOTHETICAL = re.compile(r"^\W*(?:if|when|whenever|once|unless|to|suppose|imagine|please|make\s+sure|ensure|a\s+good)\b", re.IGNORECASE)
KEPT_IN_THE_PICTURE = re.compile(
    r"\b(?:keep\w*|kept|put|stay\w*|still|back|longer|enter\w*|come\w*|came|be|is|was|are|were)\b(?:\s+[\w'’]+){0,4}\s*$", re.IGNORECASE
)
MUSIC = re.compile(r"\b(?:song|album|single|hit|band|singer|billboard|number\s+\w+)\b", re.IGNORECASE)
GRID = re.compile(r"^[ \t]*\|[^\n]*\|[ \t]*$", re.MULTILINE)
DECLINES = re.compile(
    r"\b(?:i(?:['’]m|\s+am)\s+(?:sorry|unable|not\s+able|afraid)|i\s+(?:can\s*not|can['’]t|could\s*n['’]t|could\s+not|do\s+not|don['’]t|did\s+not|didn['’]t)"
    r"|please\s+(?:provide|upload|attach|share|send|paste)|(?:could|can)\s+you\s+(?:please\s+)?(?:provide|upload|attach|share|send|describe|paste)"
    r"|i\s+would\s+need|not\s+(?:enough|sufficient)\s+information|insufficient\s+information|unclear\s+from|cannot\s+be\s+determined|unknown|unanswerable"
    r"|nothing\s+can\s+be|no\s+(?:image|picture|photo|video|audio|recording|document|file|attachment|information))\b",
    re.IGNORECASE,
)  # fmt: skip
HOW_TO = re.compile(
    r"^\W*(?:how\s+(?:do|can|to|should|would)|can\s+i|should\s+i|what\s+is\s+an?|where\s+(?:do|can)\s+i|write|explain\s+how)\b",
    re.IGNORECASE,
)
_THING_2 = re.sub(r"\(\?P<(\w+)>", r"(?P<\g<1>2>", _THING)
ASKED = re.compile(
    rf"\b(?:this|these|the\s+(?:{_PLAIN}\s+)?(?:{_HANDED}|above|below|following)|the\s+given|my|attached)\s+(?:{_PLAIN}\s+)?{_THING}{_NOT_THEN}"
    rf"|\b(?:summari[sz]e|describe|transcribe|translate|caption|proofread)\s+the\s+(?:{_PLAIN}\s+)?{_THING_2}{_NOT_THEN}"
    r"|\b(?:in|on|from|of)\s+the\s+(?P<image3>images?|pictures?|photos?|photographs?|screenshots?)(?=\s*[?.,]|$|\s+(?:is|are|shows?))"
    r"|\b(?:does|do|did|in|from|on)\s+the\s+(?:(?P<chart3>(?:bar\s+|line\s+|pie\s+)?(?:chart|graph)|diagram)"
    r"|(?P<video3>video|clip|footage)|(?P<audio3>recording|audio))\b(?!\s+(?:game|call|card|industry|studio))",
    re.IGNORECASE,
)
# Words by which a text may itself be describing such a thing.
WORDS = {name: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for name, words in THINGS.items()}
WORDS["image"] = re.compile(
    rf"\b(?:{THINGS['image']}|caption\w*|pictured|photograph\w*|selfies?|portraits?|figures?|camera|instagram)\b", re.IGNORECASE
)
WORDS["chart"] = re.compile(rf"\b(?:{THINGS['chart']}|plots?|figures?|fig\.)\b", re.IGNORECASE)
WORDS["audio"] = re.compile(rf"\b(?:{THINGS['audio']}|recorded|tapes?|calls?|podcasts?|heard|transcript\w*)\b", re.IGNORECASE)
WORDS["video"] = re.compile(rf"\b(?:{THINGS['video']}|films?|filmed|movies?|camera|cctv|youtube|trailer)\b", re.IGNORECASE)
