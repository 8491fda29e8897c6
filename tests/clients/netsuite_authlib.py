"""Authlib and requests against the simulated NetSuite.

No client of NetSuite's REST services can be pointed at a loopback address: they all build
https addresses of its own hosts. So a library that nobody here wrote signs the assertions
and gets the tokens (Authlib 1.9.9), and another sends requests in the shapes of Oracle's
documents (requests 2.34.2): "Issue Token Request and Response", "Executing SuiteQL Queries
Through REST Web Services", "Using External IDs". What comes back is asserted.

Environment: NETSUITE_URL, NETSUITE_CLIENT_ID, NETSUITE_RSA_ID, NETSUITE_RSA_KEY,
NETSUITE_EC_ID, NETSUITE_EC_KEY (PKCS #8 in base64). The account holds at least 1,000
people. Last line: `N operations ok`. Exit code 1 on a failure.
"""

import os
import sys
import textwrap
import time
import uuid
import warnings

import requests

warnings.simplefilter("ignore")
from authlib.integrations.requests_client import OAuth2Session  # noqa: E402
from authlib.jose import JsonWebKey, jwt  # noqa: E402

URL = os.environ["NETSUITE_URL"]
CLIENT = os.environ["NETSUITE_CLIENT_ID"]
REST = URL + "/services/rest"
TOKEN = REST + "/auth/oauth2/v1/token"
SUITEQL = REST + "/query/v1/suiteql"
MOMENT = "'YYYY-MM-DD\"T\"HH24:MI:SS'"
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

operations = 0
run = uuid.uuid4().hex[:8]


def done(name, condition, seen=None):
    global operations
    if not condition:
        raise AssertionError(f"{name}: not as expected: {seen!r}")
    operations += 1
    print(f"ok {name}")


def key(base64):
    body = "\n".join(textwrap.wrap(base64, 64))
    pem = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
    return JsonWebKey.import_key(pem)


RSA = ("PS256", os.environ["NETSUITE_RSA_ID"], key(os.environ["NETSUITE_RSA_KEY"]))
CURVE = ("ES256", os.environ["NETSUITE_EC_ID"], key(os.environ["NETSUITE_EC_KEY"]))


def assertion(by, algorithm=None, kid=None, **claims):
    usual, own, secret = by
    now = int(time.time())
    payload = {"iss": CLIENT, "scope": ["rest_webservices"], "aud": TOKEN, "iat": now, "exp": now + 600}
    payload.update(claims)
    header = {"typ": "JWT", "alg": algorithm or usual, "kid": kid or own}
    return jwt.encode(header, payload, secret).decode()


def ask(signed):
    form = {"grant_type": "client_credentials", "client_assertion_type": BEARER, "client_assertion": signed}
    return requests.post(TOKEN, data=form, timeout=10)


def logged_in(by):
    session = OAuth2Session(client_id=CLIENT, token_endpoint_auth_method="none")
    session.fetch_token(
        TOKEN, grant_type="client_credentials", client_assertion_type=BEARER, client_assertion=assertion(by)
    )
    return session


def tokens():
    for by in (RSA, CURVE):
        session = logged_in(by)
        done(f"a token by {by[0]}", session.token["token_type"] == "bearer" and session.token["access_token"])
    told = ask(assertion(RSA)).json()
    done("its life is a text", told["expires_in"] == "3600" and "refresh_token" not in told, told)
    bent = {
        "RS256 is no longer taken": assertion(RSA, algorithm="RS256"),
        "another certificate": assertion(RSA, kid="another"),
        "another client": assertion(RSA, iss="another"),
        "another audience": assertion(RSA, aud="https://example.com"),
        "another scope": assertion(RSA, scope=["restlets"]),
        "more than an hour": assertion(RSA, exp=int(time.time()) + 4000),
        "expired": assertion(RSA, iat=int(time.time()) - 900, exp=int(time.time()) - 600),
    }
    for name, signed in bent.items():
        answer = ask(signed)
        done(name, answer.status_code == 400 and answer.json()["error"].startswith("invalid_"), answer.text)


def query(session, text, prefer="transient", **options):
    headers = {"Prefer": prefer} if prefer else {}
    return session.post(SUITEQL, json={"q": text}, params=options, headers=headers, timeout=10)


def queries(session):
    john = query(session, "SELECT id, email, phone, officephone, title FROM contact WHERE email = 'john.doe@example.com'")
    body = john.json()
    item = body["items"][0]
    done("a query", john.status_code == 200 and body["count"] == 1 and body["hasMore"] is False, body)
    done("values are texts", item["id"] == "1" and item["officephone"] == "(555) 019-9999", item)
    done("what is empty is left out", "phone" not in item and item["links"] == [], item)
    without = query(session, "SELECT id FROM contact", prefer=None)
    done("without Prefer it is refused", without.status_code == 400 and "Prefer" in without.text, without.text)
    first = query(session, "SELECT id FROM contact ORDER BY id", limit=100).json()
    done("a page", first["count"] == 100 and first["hasMore"] and first["totalResults"] > 1000, first["links"])
    following = [link["href"] for link in first["links"] if link["rel"] == "next"][0]
    second = session.post(
        following, json={"q": "SELECT id FROM contact ORDER BY id"}, headers={"Prefer": "transient"}, timeout=10
    ).json()
    ids = {one["id"] for one in first["items"] + second["items"]}
    done("the next one", len(ids) == 200 and second["offset"] == 100, second["links"])
    odd = query(session, "SELECT id FROM contact", limit=100, offset=50)
    done("an offset is a multiple of the limit", odd.status_code == 400, odd.text)
    done("at most 1,000 at once", query(session, "SELECT id FROM contact", limit=1001).status_code == 400)
    quote = query(session, "SELECT id FROM contact WHERE lastname = 'O''Neil'").json()
    done("a quote is doubled", quote["count"] == 0, quote)
    case = query(session, "SELECT id FROM contact WHERE LOWER(email) = 'john.doe@example.com' AND email <> 'X'").json()
    done("texts compare as they stand", case["count"] == 1, case)
    moment = f"SELECT id, TO_CHAR(lastmodifieddate, {MOMENT}) AS at, lastmodifieddate FROM contact WHERE id = 1"
    at = query(session, moment).json()["items"][0]
    done("a moment, and a date in the account's form", len(at["at"]) == 19 and at["lastmodifieddate"].count("/") == 2, at)
    since = query(session, f"SELECT id FROM contact WHERE lastmodifieddate > TO_DATE('2099-01-01T00:00:00', {MOMENT})")
    done("nobody was changed in 2099", since.json()["count"] == 0, since.text)
    label = query(session, "SELECT BUILTIN.DF(category) AS shown, isinactive FROM customer WHERE id = 1000001").json()
    done("a key's label, and a flag", label["items"][0]["shown"] == "Corporate" and label["items"][0]["isinactive"] == "F", label)
    owed = query(
        session,
        "SELECT entity, COUNT(*) AS invoices, SUM(foreignamountunpaid) AS due FROM transaction "
        "WHERE entity = 1000001 AND foreignamountunpaid > 0 GROUP BY entity",
    ).json()["items"][0]
    done("sums", owed["invoices"] == "2" and owed["due"] == "1200.5", owed)
    wrong = query(session, "SELECT nothing FROM contact")
    detail = wrong.json()["o:errorDetails"][0]
    done("no such field", wrong.status_code == 400 and detail["o:errorCode"] == "INVALID_PARAMETER", detail)
    done("it is named", "Field 'nothing' for record 'contact'" in detail["detail"], detail)


def records(session):
    record = REST + "/record/v1"
    address = f"{record}/customer/eid:{run}"
    made = session.put(address, json={"companyName": f"Co {run}"}, timeout=10)
    done("an upsert makes", made.status_code == 204 and made.headers["Location"].startswith(record + "/customer/"))
    again = session.put(address, json={"companyName": f"Other {run}"}, timeout=10)
    done("and changes", again.headers["Location"] == made.headers["Location"], again.headers)
    there = made.headers["Location"]
    read = session.get(there, timeout=10).json()
    done("as it was written", read["companyName"] == f"Other {run}" and read["externalId"] == run, read)
    changed = session.patch(there, json={"email": f"{run}@example.com", "isInactive": True}, timeout=10)
    done("a change", changed.status_code == 204, changed.text)
    row = query(session, f"SELECT email, isinactive FROM customer WHERE externalid = '{run}'").json()["items"][0]
    done("is there at once", row["email"] == f"{run}@example.com" and row["isinactive"] == "T", row)
    unknown = session.patch(there, json={"nothing": 1}, timeout=10)
    done("no such field", unknown.status_code == 400 and unknown.json()["o:errorDetails"][0]["o:errorPath"] == "nothing")
    call = session.post(
        f"{record}/phoneCall",
        json={"title": "A call", "status": {"id": "COMPLETE"}, "contact": {"id": "1"}, "company": {"id": "1000001"}},
        timeout=10,
    )
    seen = session.get(call.headers["Location"], timeout=10).json()
    done("a phone call on a contact", seen["contact"]["id"] == "1" and seen["status"]["refName"] == "Completed", seen)
    number = there.rsplit("/", 1)[1]
    done("a deletion", session.delete(there, timeout=10).status_code == 204)
    gone = session.get(there, timeout=10)
    done("nobody any more", gone.status_code == 404 and "NONEXISTENT_ID" in gone.text, gone.text)
    told = query(session, f"SELECT recordid FROM deletedrecord WHERE recordid = {number} AND LOWER(recordtypeid) = 'customer'")
    done("and told so", told.json()["count"] == 1, told.text)


def main():
    tokens()
    session = logged_in(RSA)
    queries(session)
    records(session)
    stranger = requests.post(SUITEQL, json={"q": "SELECT id FROM contact"}, headers={"Authorization": "Bearer x"}, timeout=10)
    told = stranger.json()["o:errorDetails"][0]["o:errorCode"]
    done("a token that is none is refused", stranger.status_code == 401 and told == "INVALID_LOGIN", stranger.text)
    print(f"{operations} operations ok")


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # noqa: BLE001
        print(f"failed: {error}", file=sys.stderr)
        sys.exit(1)
