"""The page that takes a token; it is plain HTML and needs nothing but the static files.

Owns the page's text. A token may come in the address's fragment, which browsers do not send: the
page's script posts it.
"""

from html import escape
from typing import Final

from starlette.responses import HTMLResponse

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Overround: log in</title>
<link rel="icon" href="/static/favicon.svg"><link rel="stylesheet" href="/static/login.css">
</head><body><main><h1>Overround</h1>
<form method="post" action="/login" autocomplete="off">
<label for="token">Token</label>
<textarea id="token" name="token" rows="4" spellcheck="false" autofocus required></textarea>
<input type="hidden" name="next" value="{target}">
<button type="submit">Log in</button>
<p class="why" role="alert">{why}</p>
</form>
<p class="hint">Made by <code>overround token --role trader --sub NAME</code></p>
</main><script src="/static/login.js"></script></body></html>
"""


def login_page(*, target: str, why: str = "", status: int = 200) -> HTMLResponse:
    """Return the page; `target` is where to go afterwards, `why` what was wrong."""
    text = _PAGE.format(target=escape(target, quote=True), why=escape(why))
    return HTMLResponse(text, status_code=status, headers={"Cache-Control": "no-store"})
