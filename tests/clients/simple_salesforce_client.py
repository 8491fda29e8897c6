"""simple-salesforce against the simulated Salesforce.

Logs in by JWT bearer and by client credentials, queries, pages, writes, searches,
reads limits, provokes errors, and asserts what comes back. Needs
simple-salesforce 1.12.10.

The library speaks https only and builds its own host names; an adapter sends what it
asks for to SF_URL, with the Host header it would have had.

Environment: SF_URL, SF_CLIENT_ID, SF_CLIENT_SECRET, SF_USERNAME, SF_PRIVATE_KEY_FILE.
The org holds at least 2,500 people. Last line: `N operations ok`. Exit code 1 on a failure.
"""

import os
import sys
import uuid
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, SalesforceAuthenticationFailed, format_soql
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)

URL = urlsplit(os.environ["SF_URL"])
CLIENT_ID = os.environ["SF_CLIENT_ID"]
CLIENT_SECRET = os.environ["SF_CLIENT_SECRET"]
USERNAME = os.environ["SF_USERNAME"]
KEY_FILE = os.environ["SF_PRIVATE_KEY_FILE"]

operations = 0


class Loopback(HTTPAdapter):
    """Sends every request to SF_URL instead."""

    def send(self, request, **kwargs):
        wanted = urlsplit(request.url)
        request.headers["Host"] = wanted.netloc
        request.url = urlunsplit((URL.scheme, URL.netloc, wanted.path, wanted.query, ""))
        return super().send(request, **kwargs)


def session():
    made = requests.Session()
    made.mount("https://", Loopback())
    return made


def done(name, condition, seen=None):
    global operations
    if not condition:
        raise AssertionError(f"{name}: not as expected: {seen!r}")
    operations += 1
    print(f"ok {name}")


def refused(name, kind, code, call):
    try:
        call()
    except kind as error:
        content = error.content
        # Several records are told as a list of their addresses.
        seen = content[0]["errorCode"] if code else None
        done(name, code == seen, content)
    else:
        raise AssertionError(f"{name}: was not refused")


def login_by_jwt(**changes):
    settings = {"username": USERNAME, "consumer_key": CLIENT_ID, "privatekey_file": KEY_FILE, **changes}
    return Salesforce(session=session(), version="67.0", **settings)


def logins():
    by_jwt = login_by_jwt()
    done("login by JWT", by_jwt.session_id.startswith("00D"), by_jwt.session_id)
    for name, changes in (("user", {"username": "nobody@example.com"}), ("app", {"consumer_key": "none"})):
        try:
            login_by_jwt(**changes)
        except SalesforceAuthenticationFailed as error:
            done(f"an unknown {name} is refused", "invalid_" in str(error), error)
        else:
            raise AssertionError(f"an unknown {name} was let in")
    return Salesforce(
        session=session(),
        version="67.0",
        domain="acme.my",
        consumer_key=CLIENT_ID,
        consumer_secret=CLIENT_SECRET,
    )


def reads(sf):
    found = sf.query("SELECT Id, Name, Account.Name, Loyalty_Tier__c FROM Contact WHERE Phone = '(555) 019-9999'")
    john = found["records"][0]
    done("query", found["totalSize"] == 1 and john["Name"] == "John Doe", found)
    done("fields and parents", (john["Loyalty_Tier__c"], john["Account"]["Name"]) == ("Gold", "Acme Corporation"), john)
    none = sf.query("SELECT Id FROM Contact WHERE Phone = '+15550199999'")
    done("a typed phone is not its E.164 form", none["totalSize"] == 0, none)
    count = sf.query("SELECT COUNT() FROM Contact")["totalSize"]
    done("count", count > 2000, count)
    page = sf.query("SELECT Id FROM Contact")
    ids = [record["Id"] for record in page["records"]]
    done("a first page", not page["done"] and len(ids) <= 2000, len(ids))
    while not page["done"]:
        page = sf.query_more(page["nextRecordsUrl"], identifier_is_url=True)
        ids += [record["Id"] for record in page["records"]]
    done("query_more gives every row once", len(ids) == len(set(ids)) == count, len(ids))
    done("query_all", sf.query_all("SELECT Id FROM Contact")["totalSize"] == count)
    done("query_all_iter", sum(1 for _ in sf.query_all_iter("SELECT Id FROM Contact ORDER BY LastName")) == count)
    contact = sf.Contact.get(john["Id"])
    done("get", contact["Email"] == "john.doe@example.com", contact)
    fields = {field["name"]: field for field in sf.Contact.describe()["fields"]}
    done("describe", fields["Phone"]["type"] == "phone" and fields["External_Id__c"]["unique"], fields["Phone"])
    limits = sf.limits()["DailyApiRequests"]
    done("limits", limits["Remaining"] < limits["Max"], limits)
    done("limit header", sf.api_usage["api-usage"].used > 0, sf.api_usage)


def collections(sf, run):
    typed = {"attributes": {"type": "Contact"}}
    rows = [{**typed, "External_Id__c": f"c{n}-{run}", "LastName": f"C {n}"} for n in range(200)]
    path = "composite/sobjects/Contact/External_Id__c"

    def send(path, method, **more):
        return sf.restful(path, method=method, **more)

    made = send(path, "PATCH", json={"allOrNone": False, "records": rows})
    done("200 in one request", len(made) == 200 and all(one["created"] for one in made), made[:2])
    again = send(path, "PATCH", json={"allOrNone": False, "records": rows[:3]})
    same = [one["id"] for one in again] == [one["id"] for one in made[:3]]
    done("the same again is found", same and not any(one["created"] for one in again), again)
    refused(
        "201 are too many",
        SalesforceMalformedRequest,
        "EXCEEDED_ID_LIMIT",
        lambda: send(path, "PATCH", json={"records": [*rows, rows[0]]}),
    )
    ids = [one["id"] for one in made]
    bad = {**typed, "id": ids[1], "Email": "no address"}
    told = send("composite/sobjects", "PATCH", json={"records": [{**typed, "id": ids[0], "Title": "T"}, bad]})
    done("one bad row spoils no other", [one["success"] for one in told] == [True, False], told)
    done("and says its field", told[1]["errors"][0]["fields"] == ["Email"], told)
    read = send("composite/sobjects/Contact", "POST", json={"ids": ids[:2], "fields": ["Id", "Title", "SystemModstamp"]})
    done("read of many", [one["Title"] for one in read] == ["T", None], read)
    gone = send("composite/sobjects", "DELETE", params={"ids": ",".join(ids), "allOrNone": "false"})
    done("200 deleted in one request", len(gone) == 200 and all(one["success"] for one in gone), gone[:2])
    read = send("composite/sobjects/Contact", "POST", json={"ids": ids[:1], "fields": ["Id"]})
    done("what is gone is null", read == [None], read)


def writes(sf):
    run = uuid.uuid4().hex[:8]
    line = uuid.uuid4().int % 10_000
    key = f"External_Id__c/py-{run}"
    body = {"LastName": f"O'Brien {run}", "Phone": f"555.013.{line:04}"}
    done("upsert creates", sf.Contact.upsert(key, body) == 201)
    done("the same upsert changes", sf.Contact.upsert(key, {**body, "Title": "again"}) == 200)
    soql = format_soql("SELECT Id, Title FROM Contact WHERE LastName = {}", body["LastName"])
    found = sf.query(soql)
    done("one record is left", found["totalSize"] == 1 and found["records"][0]["Title"] == "again", found)
    like = format_soql("SELECT Id FROM Contact WHERE LastName LIKE '{:like}%'", f"O'Brien {run[:4]}")
    done("like", sf.query(like)["totalSize"] >= 1)
    identifier = found["records"][0]["Id"]
    done("by external id", sf.Contact.get_by_custom_id("External_Id__c", f"py-{run}")["Id"] == identifier)
    collections(sf, run)
    hits = sf.search(f"FIND {{555013{line:04}}} IN PHONE FIELDS RETURNING Contact(Id, Name)")["searchRecords"]
    done("search", identifier in [hit["Id"] for hit in hits], hits)
    quick = sf.quick_search(f"py.{run}@example.com")["searchRecords"]
    done("quick_search finds nothing", quick == [], quick)
    created = sf.Contact.create({"LastName": f"A {run}", "Email": f"py.{run}@example.com"})
    done("create", created["success"] and len(created["id"]) == 18, created)
    done("update", sf.Contact.update(created["id"], {"Title": "B", "Phone": None}) == 204)
    done("updated", sf.Contact.get(created["id"])["Title"] == "B")
    done("delete", sf.Contact.delete(created["id"]) == 204)
    now = datetime.now(timezone.utc)
    window = (now - timedelta(minutes=10), now + timedelta(minutes=2))
    deleted = sf.Contact.deleted(*window)
    done("deleted", created["id"] in [record["id"] for record in deleted["deletedRecords"]], deleted)
    done("changed", identifier in sf.Contact.updated(*window)["ids"])
    refused("a deleted record", SalesforceResourceNotFound, "ENTITY_IS_DELETED", lambda: sf.Contact.get(created["id"]))
    for _ in range(2):
        sf.Case.create({"Case_Ref__c": f"TWICE-{run}"})
    refused("an ambiguous external id", SalesforceMoreThanOneRecord, None,
            lambda: sf.Case.get_by_custom_id("Case_Ref__c", f"TWICE-{run}"))
    again = {"LastName": "x", "External_Id__c": f"PY-{run}"}
    refused("a double", SalesforceMalformedRequest, "DUPLICATE_VALUE", lambda: sf.Contact.create(again))


def mistakes(sf):
    malformed = SalesforceMalformedRequest
    refused("a bad escape", malformed, "MALFORMED_QUERY", lambda: sf.query(r"SELECT Id FROM Contact WHERE Name = 'a\q'"))
    refused("an unknown field", malformed, "INVALID_FIELD", lambda: sf.query("SELECT Foo FROM Contact"))
    refused("no last name", malformed, "REQUIRED_FIELD_MISSING", lambda: sf.Contact.create({"FirstName": "x"}))
    refused("a bad e-mail", malformed, "INVALID_EMAIL_ADDRESS", lambda: sf.Contact.create({"LastName": "x", "Email": "x"}))
    stranger = Salesforce(session=session(), version="67.0", session_id="00D!none", instance=URL.netloc)
    refused("an unknown token", SalesforceExpiredSession, "INVALID_SESSION_ID", lambda: stranger.query("SELECT Id FROM User"))


def main():
    sf = logins()
    done("login by client credentials", sf.sf_instance == URL.netloc, sf.sf_instance)
    reads(sf)
    writes(sf)
    mistakes(sf)
    print(f"{operations} operations ok")


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # any failure is a failed run
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
