"""Standard Webhooks: the signature that any of its libraries would expect."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from monitor.signing import key_of, signed

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT = datetime.fromtimestamp(1_614_265_330, UTC)


def test_a_message_is_signed_as_the_specification_has_it() -> None:
    # Worked out with OpenSSL: printf '%s' 'msg_1.1614265330.{"test":1}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:… -binary | base64
    content, headers = signed({"test": 1}, "msg_1", AT, [SECRET])
    assert content == b'{"test":1}'
    assert headers == {
        "content-type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,VPYgn+wQ2NP1bqG0eC4iCt5m54MvUqC0HQWl6aDniOY=",
    }


def test_each_secret_signs_and_without_one_nothing_is_signed() -> None:
    other = "whsec_" + "A" * 43 + "="
    _, headers = signed({}, "m", AT, [SECRET, other])
    first, second = headers["webhook-signature"].split()
    assert signed({}, "m", AT, [other])[1]["webhook-signature"] == second != first
    assert signed({}, "m", AT, [])[1] == {"content-type": "application/json"}


@pytest.mark.parametrize("secret", ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ", "whsec_***", "whsec_" + "A" * 88])
def test_what_is_no_secret_is_told(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and the base64 of 24 to 64 bytes"):
        key_of(secret)
