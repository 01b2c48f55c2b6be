"""Which addresses a webhook may have: the corpus of known ways inside."""

import asyncio

import pytest

from events import webhook_address
from events.webhook_address import Target
from kernel import errors


@pytest.mark.parametrize(
    "url",
    [
        "http://partner.example/hook",
        "ftp://partner.example/hook",
        "file:///etc/passwd",
        "gopher://partner.example/",
        "//partner.example/hook",
        "https://",
        "https:///hook",
        "https://user@partner.example/",
        "https://user:secret@partner.example/",
        "https://partner.example@127.0.0.1/",
        "https://partner.example/#there",
        "https://partner.example:22/",
        "https://partner.example:8443/",
        "https://partner.example:99999/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://metadata.google.internal/",
        "https://intranet/",
        "https://printer.local/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[fe80::1%25eth0]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://partner.example/a b",
        "https://partner.example/\r\nX: y",
        "https://partner.example\\@127.0.0.1/",
        "https://pärtner.example/",
        "https://①②⑦.⓪.⓪.①/",
        "https://partner.example/" + "x" * 2000,
    ],
)
def test_an_address_that_leads_inside_is_refused_when_subscribing(url: str) -> None:
    with pytest.raises(errors.Invalid) as refusal:
        webhook_address.target(url, loopback=False)
    assert refusal.value.code == "webhook_address_refused"


def test_a_plain_address_is_taken_as_it_is() -> None:
    assert webhook_address.target("https://partner.example/hook?a=1", loopback=False) == Target(
        host="partner.example", port=443, path="/hook?a=1", tls=True
    )


def test_this_machine_is_reached_only_where_that_is_set() -> None:
    url = "http://127.0.0.1:8080/hook"
    assert webhook_address.target(url, loopback=True).port == 8080
    with pytest.raises(errors.Invalid):
        webhook_address.target("http://partner.example/", loopback=True)
    with pytest.raises(errors.Invalid):
        webhook_address.target(url, loopback=False)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "64:ff9b::7f00:1", "fd00::1"])
def test_a_name_with_one_address_inside_is_refused(address: str) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["1.1.1.1", address]

    one = webhook_address.target("https://partner.example/", loopback=False)
    with pytest.raises(errors.Invalid):
        asyncio.run(webhook_address.pinned(one, resolve, loopback=False))


def test_a_name_is_resolved_once_and_the_address_that_was_checked_is_used() -> None:
    answers = [["1.1.1.1"], ["127.0.0.1"]]

    async def resolve(_host: str, _port: int) -> list[str]:
        return answers.pop(0)

    one = webhook_address.target("https://rebinding.example/", loopback=False)
    assert asyncio.run(webhook_address.pinned(one, resolve, loopback=False)) == "1.1.1.1"
    assert len(answers) == 1
