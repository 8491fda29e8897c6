"""pysnc, ServiceNow's own client, against the simulated instance.

Asks as server scripts do (GlideRecord): queries with and without alternatives, walks
through references, counts and pages, makes, changes and deletes. Needs pysnc 1.2.1.

Environment: SNOW_URL, SNOW_USERNAME, SNOW_PASSWORD. The instance holds at least 200 people.
Last line: `N operations ok`. Exit code 1 on a failure.
"""

import os
import sys

import requests
from pysnc import ServiceNowClient
from pysnc.exceptions import RequestException
from requests.adapters import HTTPAdapter

URL = os.environ["SNOW_URL"]
USER = (os.environ["SNOW_USERNAME"], os.environ["SNOW_PASSWORD"])
# The library speaks HTTPS alone; what it sends to this name goes to the simulator.
NAME = "https://simulated.service-now.com"

operations = 0


class Loopback(HTTPAdapter):
    def send(self, request, *args, **kwargs):
        request.url = request.url.replace(NAME, URL, 1)
        return super().send(request, *args, **kwargs)


def done(name, condition, seen=None):
    global operations
    if not condition:
        raise AssertionError(f"{name}: not as expected: {seen!r}")
    operations += 1
    print(f"ok {name}")


def main():
    session = requests.Session()
    session.auth = USER
    client = ServiceNowClient(NAME, session, auto_retry=False)
    session.mount(NAME, Loopback())

    gr = client.GlideRecord("customer_contact")
    gr.add_query("email", "john.doe@example.com")
    gr.query()
    done("one is found", gr.get_row_count() == 1 and gr.next(), gr.get_row_count())
    done("a value", gr.get_value("phone") == "(555) 019-9999", gr.get_value("phone"))
    done("what people see of a reference", gr.get_display_value("account") == "Acme Corporation")
    done("the value behind it", client.guess_is_sys_id(gr.get_value("account")))
    john = gr.get_value("sys_id")

    gr = client.GlideRecord("customer_contact")
    done("by id", gr.get(john) and gr.name == "John Doe", gr.name)

    gr = client.GlideRecord("customer_contact")
    condition = gr.add_query("last_name", "Doe")
    condition.add_or_condition("last_name", "Garcia")
    gr.add_query("email", "ENDSWITH", "example.com")
    gr.order_by("first_name")
    gr.query()
    names = [one.get_value("name") for one in gr if one.get_value("first_name") in ("John", "Maria")]
    done("alternatives and an order", names[:2] == ["John Doe", "Maria Garcia"], names)

    gr = client.GlideRecord("customer_contact", batch_size=30)
    gr.fields = ["sys_id"]
    gr.query()
    ids = [one.get_value("sys_id") for one in gr]
    done("page after page", len(ids) == len(set(ids)) == gr.get_row_count() >= 203, len(ids))

    gr = client.GlideRecord("customer_contact")
    gr.add_query("u_no_such_field", "x")
    gr.query()
    done("an unknown field is dropped", gr.get_row_count() >= 203, gr.get_row_count())

    gr = client.GlideRecord("customer_contact")
    gr.add_query("account.name", "Acme Corporation")
    gr.fields = ["name", "account.name"]
    gr.query()
    done("a path through a reference", gr.get_row_count() >= 3, gr.get_row_count())
    done("of each row", all(one.get_value("account.name") == "Acme Corporation" for one in gr))

    gr = client.GlideRecord("sys_dictionary")
    gr.add_query("name", "IN", "customer_contact,sys_user")
    gr.add_query("element", "IN", "phone,u_tier,sys_id")
    gr.query()
    where = sorted((one.get_value("name"), one.get_value("element")) for one in gr)
    expected = [("customer_contact", "u_tier"), ("sys_user", "phone"), ("sys_user", "sys_id")]
    done("the dictionary names a column where it was made", where == expected, where)

    gr = client.GlideRecord("sys_user_has_role")
    gr.fields = ["role.name", "inherited"]
    gr.add_encoded_query("user=javascript:gs.getUserID()")
    gr.query()
    roles = sorted(one.get_value("role.name") for one in gr)
    done("one's own roles", roles == ["itil", "snc_platform_rest_api_access"], roles)

    gr = client.GlideRecord("interaction")
    gr.initialize()
    gr.type = "phone"
    gr.contact = john
    gr.client_session_id = "call-of-pysnc"
    gr.work_notes = "What was said"
    made = str(gr.insert())
    done("an interaction is made", client.guess_is_sys_id(made), made)
    notes = client.GlideRecord("sys_journal_field")
    notes.add_query("element_id", str(made))
    notes.query()
    done("a note stands in its own table", notes.next() and notes.get_value("value") == "What was said")
    gr = client.GlideRecord("interaction")
    gr.get(str(made))
    done("and is not read with the record", gr.get_value("work_notes") in ("", None))
    gr.state = "closed_complete"
    done("it is changed", gr.update() == str(made) or gr.get_value("state") == "closed_complete")
    done("and counted", gr.get_value("sys_mod_count") == "1", gr.get_value("sys_mod_count"))
    done("it is deleted", gr.delete())
    done("and gone", not client.GlideRecord("interaction").get(str(made)))

    for name in ("One", "Two", "Three"):
        gr = client.GlideRecord("customer_contact")
        gr.initialize()
        gr.first_name = "Batch"
        gr.last_name = name
        gr.insert()

    def batch():
        found = client.GlideRecord("customer_contact")
        found.add_query("first_name", "Batch")
        found.order_by("last_name")
        found.query()
        return found

    many = batch()
    for one in many:
        one.last_name = f"{one.get_value('last_name')} changed"
    done("many are changed in one request", many.update_multiple())
    names = [one.get_value("last_name") for one in batch()]
    done("each of them", names == ["One changed", "Three changed", "Two changed"], names)
    told = []
    many = batch()
    for one in many:
        one.title = "In a batch"
        if one.get_value("last_name") == "Two changed":
            client.table_api.delete(one)
    many.update_multiple(lambda answer: told.append(answer.status_code))
    done("one that is gone spoils no other", sorted(told) == [200, 200, 404], told)
    titles = [one.get_value("title") for one in batch()]
    done("the others are changed", titles == ["In a batch", "In a batch"], titles)
    done("many are deleted in one request", batch().delete_multiple())
    done("and gone together", batch().get_row_count() == 0)

    gr = client.GlideRecord("no_such_table")
    try:
        gr.query()
    except RequestException:
        done("a table that is none", True)
    print(f"{operations} operations ok")


try:
    main()
except Exception as error:  # noqa: BLE001
    print(f"FAILED after {operations} operations: {error!r}", file=sys.stderr)
    sys.exit(1)
