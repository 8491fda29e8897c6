"""Authlib, a general OAuth client, against the simulated Salesforce's login.

Gets a user's token by the web server flow, as the agents' widget does, introspects it
and others (RFC 7662), revokes it, and asserts what comes back. Checks a Canvas signed
request by the steps of Salesforce's own guide. Needs Authlib 1.9.9 and requests.

Environment: SF_URL, SF_CLIENT_ID, SF_CLIENT_SECRET, SF_WIDGET_ID, SF_WIDGET_SECRET. Last
line: `N operations ok`. Exit code 1 on a failure.
"""

import base64
import hashlib
import hmac
import json
import os
import time

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

URL = os.environ["SF_URL"]
WIDGET, SECRET = os.environ["SF_WIDGET_ID"], os.environ["SF_WIDGET_SECRET"]
TOKEN, INTROSPECT = f"{URL}/services/oauth2/token", f"{URL}/services/oauth2/introspect"
# Loopback has no TLS.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

operations = 0


def done(name, condition, seen=None):
    global operations
    if not condition:
        raise AssertionError(f"{name}: not as expected: {seen!r}")
    operations += 1
    print(f"ok {name}")


def sign_in(**user):
    """Stands for the org's login page."""
    return requests.post(f"{URL}/_sim/sign-in", json=user, timeout=10).json()


def app(key=WIDGET, secret=SECRET, method="client_secret_basic"):
    return OAuth2Session(key, secret, token_endpoint_auth_method=method, redirect_uri="https://crm.example/widget")


def told(session, token):
    return session.introspect_token(INTROSPECT, token=token, token_type_hint="access_token").json()


def web_server_flow():
    session, page = app(), sign_in()
    granted = session.fetch_token(TOKEN, grant_type="authorization_code", code=page["code"])
    done("a code gives the user's token", granted["access_token"] == page["access_token"], granted)
    try:
        app().fetch_token(TOKEN, grant_type="authorization_code", code=page["code"])
    except OAuthError as error:
        done("and only once", error.error == "invalid_grant", error)
    else:
        raise AssertionError("a code was redeemed twice")
    me = session.get(granted["id"]).json()
    done("the identity is the user's", granted["id"].endswith(f"/{me['organization_id']}/{me['user_id']}"), me)
    return granted


def introspection(granted):
    for method in ("client_secret_basic", "client_secret_post"):
        answer = told(app(method=method), granted["access_token"])
        done(f"introspection by {method}", answer["active"] is True and answer["client_id"] == WIDGET, answer)
    done("sub is the identity", answer["sub"] == granted["id"], answer)
    done("exp lies ahead", answer["iat"] <= time.time() < answer["exp"], answer)
    nothing = {"active": False}
    done("a token that is none", told(app(), "none") == nothing)
    other = app(os.environ["SF_CLIENT_ID"], os.environ["SF_CLIENT_SECRET"])
    done("another app is not told", told(other, granted["access_token"]) == nothing)
    own = other.fetch_token(TOKEN, grant_type="client_credentials")["access_token"]
    done("but of its own", told(other, own)["active"] is True)
    done("nor we of its", told(app(), own) == nothing)
    wrong = app(secret="wrong").introspect_token(INTROSPECT, token=own)
    done("a wrong secret", wrong.status_code == 401 and wrong.json()["error"] == "invalid_client", wrong.text)
    app().revoke_token(f"{URL}/services/oauth2/revoke", token=granted["access_token"])
    done("a revoked token", told(app(), granted["access_token"]) == nothing)


def canvas():
    page = sign_in()
    signature, envelope = page["signed_request"].split(".", 1)
    expected = base64.b64encode(hmac.new(SECRET.encode(), envelope.encode(), hashlib.sha256).digest())
    done("a signed request is signed by the app", hmac.compare_digest(expected, signature.encode()))
    said = json.loads(base64.b64decode(envelope))
    done("its algorithm", said["algorithm"] == "HMACSHA256", said)
    answer = told(app(), said["client"]["oauthToken"])
    ids = f"/id/{said['context']['organization']['organizationId']}/{said['userId']}"
    done("its token is the same user's", answer["sub"].endswith(ids), answer)


introspection(web_server_flow())
canvas()
print(f"{operations} operations ok")
