"""pyodata against the simulated S/4HANA.

Parses the service's description (the vendor's own, where the simulator was given it),
logs in by password and by token, reads, filters, expands, counts and pages, changes a
number under CSRF token and ETag, provokes errors, and asserts what comes back. Needs
pyodata 1.12.1.

Environment: SAP_URL, SAP_USERNAME, SAP_PASSWORD, SAP_CLIENT_ID, SAP_CLIENT_SECRET,
SAP_METADATA (`vendor` or `own`). The system holds at least 1,000 people. Last line:
`N operations ok`. Exit code 1 on a failure.
"""

import datetime
import logging
import os
import sys

import pyodata
import requests
from pyodata.exceptions import HttpError
from pyodata.v2.model import Config, PolicyIgnore

URL = os.environ["SAP_URL"]
SERVICE = URL + "/sap/opu/odata/sap/API_BUSINESS_PARTNER/"
USER = (os.environ["SAP_USERNAME"], os.environ["SAP_PASSWORD"])
CLIENT = (os.environ["SAP_CLIENT_ID"], os.environ["SAP_CLIENT_SECRET"])
JOHN = "+15550199999"

operations = 0

# Of the hundreds of annotations that the library has no use for, nothing needs to be said.
logging.disable(logging.WARNING)


def done(name, condition, seen=None):
    global operations
    if not condition:
        raise AssertionError(f"{name}: not as expected: {seen!r}")
    operations += 1
    print(f"ok {name}")


def refused(name, status, call):
    try:
        call()
    except HttpError as error:
        done(name, error.response.status_code == status, error.response.status_code)
    else:
        raise AssertionError(f"{name}: was not refused")


def connect(session):
    config = Config(default_error_policy=PolicyIgnore(), retain_null=True)
    return pyodata.Client(SERVICE, session, config=config)


def by_token():
    answer = requests.post(
        URL + "/sap/bc/sec/oauth2/token", auth=CLIENT, data={"grant_type": "client_credentials"}, timeout=10
    )
    grant = answer.json()
    done("a token is granted", answer.status_code == 200 and int(grant["expires_in"]) == 3600, grant)
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {grant['access_token']}"
    return session


def by_password():
    session = requests.Session()
    session.auth = USER
    return session


def logins():
    refused("a wrong password is refused", 401, lambda: connect(stranger()))
    client = connect(by_token())
    names = {entity_set.name for entity_set in client.schema.entity_sets}
    wanted = {"A_BusinessPartner", "A_BusinessPartnerAddress", "A_AddressPhoneNumber", "A_AddressEmailAddress"}
    expected = 52 if os.environ["SAP_METADATA"] == "vendor" else 5
    done("the description is read whole", len(names) == expected and wanted < names, len(names))
    ways = {way.name for way in client.schema.entity_type("A_BusinessPartnerAddressType").nav_proprties}
    done("its ways are known", {"to_PhoneNumber", "to_MobilePhoneNumber", "to_EmailAddress"} <= ways, ways)
    return client


def stranger():
    session = requests.Session()
    session.auth = ("NOBODY", "none")
    return session


def reads(client):
    sets = client.entity_sets
    john = sets.A_BusinessPartner.get_entity("1000001").execute()
    done("an entity by its key", (john.FirstName, john.LastName) == ("John", "Doe"), john)
    done("a date", john.CreationDate == datetime.datetime(2019, 3, 4, tzinfo=datetime.timezone.utc), john.CreationDate)
    done("a boolean", john.BusinessPartnerIsBlocked is False, john.BusinessPartnerIsBlocked)
    done("an ETag", john.etag.startswith('W/"datetimeoffset'), john.etag)
    count = sets.A_BusinessPartner.get_entities().count().execute()
    done("$count", count > 1000, count)
    some = sets.A_BusinessPartner.get_entities().count(inline=True).top(3).skip(1).execute()
    done("$inlinecount beside a page", (some.total_count, len(some)) == (count, 3), some.total_count)
    page = sets.A_BusinessPartner.get_entities().select("BusinessPartner").execute()
    everybody = [one.BusinessPartner for one in page]
    done("a first page", len(everybody) == 500 and page.next_url, len(everybody))
    while page.next_url:
        # The system names itself; the client goes where it knows.
        next_url = SERVICE + page.next_url.split("/API_BUSINESS_PARTNER/")[1]
        page = sets.A_BusinessPartner.get_entities().next_url(next_url).execute()
        everybody += [one.BusinessPartner for one in page]
    done("pages give every row once", len(everybody) == len(set(everybody)) == count, len(everybody))
    ordered = sets.A_BusinessPartner.get_entities().order_by("BusinessPartner desc").top(2).execute()
    numbers = [one.BusinessPartner for one in ordered]
    done("$orderby", numbers == sorted(numbers, reverse=True) and numbers[0] == max(everybody), numbers)


def hops(client):
    sets = client.entity_sets
    phones = sets.A_AddressPhoneNumber.get_entities()
    phones = phones.filter(f"startswith(InternationalPhoneNumber,'{JOHN}')").execute()
    keys = sorted((phone.AddressID, phone.Person) for phone in phones)
    done("a number with and without extension", keys == [("23000", "500000"), ("90000000", "500001")], keys)
    exact = sets.A_AddressPhoneNumber.get_entities()
    exact = exact.filter(exact.InternationalPhoneNumber == JOHN).execute()
    done("equality misses the extension", [phone.AddressID for phone in exact] == ["23000"], exact)
    typed = sets.A_AddressPhoneNumber.get_entities().filter("PhoneNumber eq '(555) 019-9999'").execute()
    done("a number as typed", [phone.Person for phone in typed] == ["500000"], typed)
    places = sets.A_BusinessPartnerAddress.get_entities()
    places = places.filter("AddressID eq '23000' or AddressID eq '90000000'").execute()
    owners = sorted(place.BusinessPartner for place in places)
    done("whose addresses these are", owners == ["1000001", "2000001"], owners)
    jane = sets.A_BusinessPartner.get_entities().filter("PersonNumber eq '500001'").execute()
    done("a contact person by person number", [one.LastName for one in jane] == ["Smith"], jane)
    mails = sets.A_AddressEmailAddress.get_entities()
    mails = mails.filter("SearchEmailAddress eq 'JOHN.DOE@EXAMPLE.COM'").execute()
    done("an e-mail by its index", [mail.EmailAddress for mail in mails] == ["john.doe@example.com"], mails)
    way = "to_BusinessPartnerAddress/to_PhoneNumber"
    one = sets.A_BusinessPartner.get_entity("1000001").expand(f"{way},to_Customer").execute()
    numbers = [phone.PhoneNumber for place in one.to_BusinessPartnerAddress for phone in place.to_PhoneNumber]
    done("expanded twice", numbers == ["(555) 019-9999"], numbers)
    done("expanded to one", one.to_Customer.CustomerClassification == "A", one.to_Customer)
    reached = sets.A_BusinessPartner.get_entity("1000001").nav("to_BusinessPartnerAddress").get_entities().execute()
    done("a way is walked", [place.AddressID for place in reached] == ["23000"], reached)
    quoted = sets.A_BusinessPartner.get_entities().filter("LastName eq 'O''Brien' or substringof('Garc',LastName)")
    done("a doubled quote and substringof", "1000003" in [one.BusinessPartner for one in quoted.execute()])


def phone_key(client, **changes):
    key = {"AddressID": "23000", "Person": "500000", "OrdinalNumber": "1", **changes}
    return client.entity_sets.A_AddressPhoneNumber.get_entity(**key)


def change(client, etag, **fields):
    key = {"AddressID": "23000", "Person": "500000", "OrdinalNumber": "1"}
    request = client.entity_sets.A_AddressPhoneNumber.update_entity(**key).set(**fields)
    if etag:
        request.add_headers({"If-Match": etag})
    request.execute()


def writes():
    session = by_password()
    client = connect(session)
    before = phone_key(client).execute()
    refused("a change without a CSRF token", 403, lambda: change(client, before.etag, PhoneNumber="1"))
    fetched = session.get(SERVICE, headers={"X-CSRF-Token": "Fetch"}, timeout=10)
    token = fetched.headers["x-csrf-token"]
    done("a token and its cookies are given", token and any("SESSIONID" in name for name in session.cookies.keys()))
    session.headers["X-CSRF-Token"] = token
    refused("a change without an ETag", 428, lambda: change(client, None, PhoneNumber="1"))
    change(client, before.etag, PhoneNumber="(555) 019-7777", PhoneNumberExtension="4")
    after = phone_key(client).execute()
    done("a change", after.InternationalPhoneNumber == "+155501977774", after.InternationalPhoneNumber)
    done("another version", after.etag != before.etag, after.etag)
    refused("a change of an old version", 412, lambda: change(client, before.etag, PhoneNumber="2"))
    refused("a property that SAP works out", 400, lambda: change(client, after.etag, InternationalPhoneNumber="+1"))
    change(client, after.etag, PhoneNumber=before.PhoneNumber, PhoneNumberExtension="")
    done("changed back", phone_key(client).execute().InternationalPhoneNumber == JOHN)
    session.cookies.clear()
    refused("a token without its session", 403, lambda: change(client, after.etag, PhoneNumber="3"))


def mistakes(client):
    partners = client.entity_sets.A_BusinessPartner
    refused("nobody of that number", 404, lambda: partners.get_entity("9999999").execute())
    refused("an unknown property", 400, lambda: partners.get_entities().filter("Foo eq 'x'").execute())
    refused("no filter", 400, lambda: partners.get_entities().filter("BusinessPartner eq").execute())
    gone = requests.get(SERVICE + "A_None?$format=json", auth=USER, timeout=10)
    error = gone.json()["error"]
    done("an error in the gateway's form", gone.status_code == 404 and error["message"]["lang"] == "en", error)
    other = requests.get(SERVICE + "?sap-client=200", auth=USER, timeout=10)
    done("another client is refused", other.status_code == 401, other.status_code)


def main():
    client = logins()
    reads(client)
    hops(client)
    writes()
    mistakes(client)
    print(f"{operations} operations ok")


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # any failure is a failed run
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
