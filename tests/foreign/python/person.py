"""A person at a browser without JavaScript: follows links, fills forms, until the app's own address comes."""

import time
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests

from claims import DEMO

PAGES_MAX = 12
TRIES_MAX = 5


class _Forms(HTMLParser):
    def __init__(self):
        super().__init__()
        self.forms = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append((attributes.get("action", ""), []))
        elif tag in ("input", "button") and self.forms:
            self.forms[-1][1].append((tag, attributes))


def forms(page):
    """The forms of a page: (action, [(tag, attributes)])."""
    parser = _Forms()
    parser.feed(page)
    return parser.forms


def filled(fields, login, password, decision="allow", patient=None, untick=()):
    """The pairs that a browser would send."""
    pairs, pressed = [], False
    for tag, field in fields:
        name, kind = field.get("name"), field.get("type", "text")
        if not name:
            continue
        if tag == "button":
            if not pressed and field.get("value") in (decision, None, ""):
                pairs.append((name, field.get("value", "")))
                pressed = True
            elif not pressed and name != "decision":
                pairs.append((name, field.get("value", "")))
                pressed = True
        elif kind == "password":
            pairs.append((name, password))
        elif kind in ("checkbox", "radio"):
            if "checked" in field and name not in untick:
                pairs.append((name, field.get("value", "on")))
        elif kind == "text":
            pairs.append((name, patient if name == "patient" else login))
        else:
            pairs.append((name, field.get("value", "")))
    return pairs


class Person:
    """Somebody with a password and a browser of their own."""

    def __init__(self, login):
        self.login = login
        self.password = DEMO["users"][login]["password"]
        self.browser = requests.Session()
        self.pages = []

    def walk(self, address, until, **choices):
        """The address of the app to which the pages lead in the end."""
        answer = self.browser.get(address, allow_redirects=False)
        for _ in range(PAGES_MAX):
            if answer.is_redirect:
                target = urljoin(answer.url, answer.headers["location"])
                if target.startswith(until):
                    return target
                answer = self.browser.get(target, allow_redirects=False)
                continue
            self.pages.append(answer)
            found = forms(answer.text)
            if answer.status_code != 200 or not found:
                raise RuntimeError(f"{answer.status_code} at {answer.url}: {answer.text[-300:]}")
            action, fields = found[0]
            answer = self._send(urljoin(answer.url, action), filled(fields, self.login, self.password, **choices))
        raise RuntimeError("the pages go round in a circle")

    def _send(self, target, pairs):
        """Sends a form; whoever is told to wait (429) waits as long as it says."""
        headers = {"Origin": "{0.scheme}://{0.netloc}".format(urlsplit(target))}
        for _ in range(TRIES_MAX):
            answer = self.browser.post(target, data=pairs, headers=headers, allow_redirects=False)
            if answer.status_code != 429:
                break
            time.sleep(int(answer.headers["retry-after"]))
        return answer


def answered(address):
    """The parameters of an address."""
    return dict(parse_qsl(urlsplit(address).query))
