"""Names, subjects and addresses as an attacker would choose them."""

from hypothesis import strategies as st

SAMPLES = [
    "a\r\nBcc: victim@example.org\r\n\r\n<p>body</p>",
    "line\nbreak",
    "\u2028separator\u2029\x85\x0b\x0c\x1c",
    "=?utf-8?q?=0ABcc=3A_victim=40example=2Eorg?=",
    "=?utf-8?b?PHNjcmlwdD4=?=",
    "invoice\u202efdp.exe\u202c\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
    '"><script>alert(1)</script><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% for x in y %}{# #}",
    "x" * 10_000,
    "\u0301" * 10_000,
    "\U0001f9d1\u200d\U0001f4bb\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "пользователь@пример.рф",
    "用户@例子.广告",
    "משתמש@דוגמה.קום",
    "a\x00b\x07c\x1b[31mred",
    "\ud800lone surrogate",
    "$(rm -rf /)`id`'; drop table x; --",
    "soft\u00adhyphen\ufefffill\u2060er\U000e0041tag",
    " \u00a0\u3000spaces\t",
    "|pipe | in | facts",
]

hostile_texts = (
    st.sampled_from(SAMPLES)
    | st.text(max_size=300)
    | st.lists(st.sampled_from(SAMPLES) | st.text(max_size=20), min_size=1, max_size=4).map("".join)
)
"""Any text, the worst ones often."""

hostile_names = hostile_texts.map(lambda text: text.encode("utf-8", "replace").decode("utf-8")).filter(bool)
"""What can stand in a record: never empty, and no half of a surrogate pair, which UTF-8 cannot carry."""
