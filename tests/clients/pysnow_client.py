"""pysnow against the simulated ServiceNow.

Logs in by password and by token, queries, sorts, pages and streams, makes, changes and
deletes a record, follows a reference, provokes errors, and asserts what comes back. Needs
pysnow 0.7.17.

Environment: SNOW_URL, SNOW_USERNAME, SNOW_PASSWORD, SNOW_CLIENT_ID, SNOW_CLIENT_SECRET. The
instance holds at least 200 people. Last line: `N operations ok`. Exit code 1 on a failure.
"""

import datetime
import os
import sys
import warnings

# The simulator speaks HTTP, on loopback only.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
warnings.simplefilter("ignore")

import pysnow  # noqa: E402
import requests  # noqa: E402
from pysnow.exceptions import MultipleResults, NoResults  # noqa: E402

HOST = os.environ["SNOW_URL"].removeprefix("http://")
USER = (os.environ["SNOW_USERNAME"], os.environ["SNOW_PASSWORD"])
CLIENT = (os.environ["SNOW_CLIENT_ID"], os.environ["SNOW_CLIENT_SECRET"])

SINCE = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)

operations = 0


def done(name, condition, seen=None):
    global operations
    if not condition:
        raise AssertionError(f"{name}: not as expected: {seen!r}")
    operations += 1
    print(f"ok {name}")


def refused(name, status, call):
    try:
        call()
    except requests.exceptions.HTTPError as error:
        done(name, error.response.status_code == status, error.response.status_code)
    else:
        raise AssertionError(f"{name}: was not refused")


def queries(contacts):
    john = contacts.get(query={"email": "john.doe@example.com"}).one()
    done("a record by a field", john["name"] == "John Doe", john)
    done("everything is a text", all(isinstance(v, (str, dict)) for v in john.values()), john)
    done("a reference has a link and a value", set(john["account"]) == {"link", "value"}, john["account"])

    builder = pysnow.QueryBuilder()
    builder.field("phone").contains("019-9999").AND().field("last_name").equals("Doe")
    found = contacts.get(query=builder).all()
    done("two conditions", [one["name"] for one in found] == ["John Doe"], found)

    builder = pysnow.QueryBuilder()
    builder.field("first_name").equals("John").AND().field("last_name").equals("Doe")
    builder.OR().field("last_name").equals("Smith").AND().field("email").ends_with("example.com")
    names = {one["name"] for one in contacts.get(query=builder).all()}
    done("or binds closer than and", names == {"John Doe"}, names)

    answer = contacts.get(query={}, limit=50, fields=["sys_id", "sys_updated_on"])
    done("a limit", len(answer.all()) == 50, answer)
    done("a count of all", int(answer.headers["X-Total-Count"]) >= 203, answer.headers)
    done("links to pages", 'rel="next"' in answer.headers["Link"], answer.headers)
    ids = [r["sys_id"] for r in contacts.get(query="ORDERBYsys_id", limit=20, offset=10).all()]
    done("an order and an offset", ids == sorted(ids) and len(set(ids)) == 20, ids)
    streamed = contacts.get(query={}, limit=150, stream=True).all()
    done("a stream of rows", sum(1 for _ in streamed) == 150)
    builder = pysnow.QueryBuilder().field("sys_created_on").greater_than(SINCE)
    done("a time", len(contacts.get(query=builder, limit=5).all()) == 5)

    dropped = contacts.get(query="phnoe=1", limit=10_000).all()
    done("an unknown field is dropped, and all rows come", len(dropped) >= 203, len(dropped))
    mine = contacts.get(query="sys_id=javascript:gs.getUserID()").all()
    done("a script is run", mine == [], mine)


def references(client, contacts):
    contacts.parameters.exclude_reference_link = True
    plain = contacts.get(query={"email": "john.doe@example.com"}).one()
    done("a reference without its link", isinstance(plain["account"], str), plain["account"])
    contacts.parameters.exclude_reference_link = False
    account = client.resource(api_path=f"/table/customer_account/{plain['account']}").get().one()
    done("one record by its id", account["name"] == "Acme Corporation", account)
    walked = contacts.get(
        query={"account.name": "Acme Corporation"}, fields=["name", "account.name"]
    ).all()
    names = {one["account.name"] for one in walked}
    done("a path through a reference", names == {"Acme Corporation"} and len(walked) >= 3, walked)
    contacts.parameters.display_value = True
    shown = contacts.get(query={"email": "john.doe@example.com"}, fields=["u_tier"]).one()
    done("the word for a choice", shown == {"u_tier": "Gold"}, shown)
    contacts.parameters.display_value = False


def writes(contacts):
    made = contacts.create(
        {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.com", "nothing": "x"}
    ).one()
    done("a record is made", made["name"] == "Ada Byron" and made["sys_mod_count"] == "0", made)
    done("an unknown field is ignored", "nothing" not in made, made)
    key = {"sys_id": made["sys_id"]}
    changed = contacts.update(query=key, payload={"title": "Countess"}).one()
    done("a record is changed", changed["title"] == "Countess", changed)
    done("and counted", changed["sys_mod_count"] == "1", changed["sys_mod_count"])
    same = contacts.update(query=key, payload={"title": "Countess"}).one()
    done("a change that changes nothing is not counted", same["sys_mod_count"] == "1", same)
    gone = contacts.delete(query=key)
    done("a record is deleted", gone == {"status": "record deleted"}, gone)
    try:
        contacts.get(query=key).one()
    except NoResults:
        done("and is gone", True)
    try:
        contacts.get(query={"last_name": "Doe"}, limit=2).one()
        contacts.get(query="", limit=2).one()
    except MultipleResults:
        done("several are not one", True)


def main():
    client = pysnow.Client(host=HOST, use_ssl=False, user=USER[0], password=USER[1])
    contacts = client.resource(api_path="/table/customer_contact")
    queries(contacts)
    references(client, contacts)
    # A resource keeps the fields that were last asked for.
    writes(client.resource(api_path="/table/customer_contact"))

    def to(path):
        return client.resource(api_path=path).get(query={}).all

    refused("a table that is none", 400, to("/table/no_such_table"))
    refused("a path that is none", 400, to("/no/such/thing"))
    refused("a record that is none", 404, to("/table/incident/" + "0" * 32))
    wrong = pysnow.Client(host=HOST, use_ssl=False, user=USER[0], password="wrong")
    refused("a wrong password", 401, wrong.resource(api_path="/table/incident").get(query={}).all)

    kept = []
    oauth = pysnow.OAuthClient(
        client_id=CLIENT[0], client_secret=CLIENT[1], token_updater=kept.append, host=HOST, use_ssl=False
    )
    token = oauth.generate_token(*USER)
    done("a token by password", token["token_type"] == "Bearer" and token["expires_in"] > 0, token)
    again = oauth.generate_token(*USER)
    done("the same again while it lives", again["access_token"] == token["access_token"])
    oauth.set_token({**token, "expires_at": 1})
    found = oauth.resource(api_path="/table/customer_contact").get(query={}, limit=1).all()
    done("a row by token", len(found) == 1, found)
    done("which was refreshed before", kept and kept[0]["access_token"] != token["access_token"])
    done("by a refresh token that stays", kept[0]["refresh_token"] == token["refresh_token"])
    print(f"{operations} operations ok")


try:
    main()
except Exception as error:  # noqa: BLE001
    print(f"FAILED after {operations} operations: {error!r}", file=sys.stderr)
    sys.exit(1)
