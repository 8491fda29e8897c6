"""Genesys' own Python SDK against the simulated Genesys Cloud.

Logs in, reads past calls, writes, finds, promotes, enriches and merges contacts, updates a call, and
asserts what comes back. Needs PureCloudPlatformClientV2 269.0.0.

Then a user's token, by a code with PKCE as a page in the browser gets it, says whose
it is.

Environment: GC_URL, GC_CLIENT_ID, GC_CLIENT_SECRET, GC_WIDGET_ID, GC_CONVERSATION (the
id of a call in progress). Last line: `N operations ok`. Exit code 1 on the first failure.
"""

import base64
import datetime
import hashlib
import json
import os
import sys
import urllib.request
import uuid

import PureCloudPlatformClientV2 as gc
from PureCloudPlatformClientV2.rest import ApiException

RUN = uuid.uuid4().hex[:8]
DIGITS = f"{uuid.uuid4().int % 10_000_000:07d}"
PHONE, OTHER_PHONE = f"+1555{DIGITS}", f"+1556{DIGITS}"
# How many there are below: none is left out silently.
OPERATIONS = 83
operations = 0


def done(name, condition, seen=None):
    global operations
    if not condition:
        sys.exit(f"{name}: not as expected: {seen}")
    operations += 1
    print(f"ok {name}")


def refused(name, status, code, call):
    try:
        call()
    except ApiException as error:
        done(name, error.status == status and code in str(error.body), error)
        return
    sys.exit(f"{name}: was not refused")


def identifier(source, value):
    body = gc.ContactIdentifier()
    body.type, body.value = "ExternalId", value
    body.external_source = gc.ExternalSource()
    body.external_source.id = source
    return body


def phone_identifier(value):
    body = gc.ContactIdentifier()
    body.type, body.value = "Phone", value
    return body


def contact(first, source=None, value=None, phone=None):
    body = gc.ExternalContact()
    body.first_name, body.last_name = first, f"Test {RUN}"
    if phone:
        body.cell_phone = gc.PhoneNumber()
        body.cell_phone.display = phone
    if source:
        external = gc.ExternalId()
        external.external_source = gc.ExternalSource()
        external.external_source.id = source
        external.value = value
        body.external_ids = [external]
    return body


def enrichment(source, value, first, tracker=None, phone=None):
    body = gc.ContactEnrichRequest()
    body.id, body.action = tracker, "Upsert"
    body.matching_identifiers = [identifier(source, value)]
    body.contact = contact(first, source, value, phone)
    return body


def login():
    gc.configuration.host = os.environ["GC_URL"]
    client = gc.api_client.ApiClient().get_client_credentials_token(
        os.environ["GC_CLIENT_ID"], os.environ["GC_CLIENT_SECRET"]
    )
    done("login", client.access_token, client)
    me = gc.TokensApi(client).get_tokens_me()
    done("token", me.o_auth_client.id == os.environ["GC_CLIENT_ID"], me)
    organization = gc.OrganizationApi(client).get_organizations_me()
    done("organization", organization.state == "active", organization)
    roles = gc.AuthorizationApi(client).get_authorization_subjects_me(include_full_roles=True)
    policies = [policy for grant in roles.grants for policy in grant.role.policies]
    done("roles", any(policy.domain == "externalContacts" and policy.actions for policy in policies), roles)
    queues = gc.RoutingApi(client).get_routing_queues(page_size=1)
    done("queues", queues.total >= 1 and len(queues.entities) == 1, queues)
    destinations(client)
    return client


def destinations(client):
    queues = gc.RoutingApi(client).get_routing_queues(name="support").entities
    done("queue by name", [one.name for one in queues] == ["Support"], queues)
    api = gc.ArchitectApi(client)
    listed = api.get_architect_ivrs(page_size=1, page_number=2)
    seen = (listed.total, listed.page_count, len(listed.entities), listed.next_uri)
    done("second page of IVRs", seen == (2, 2, 1, None), listed)
    ivr = api.get_architect_ivrs(name="Main menu").entities[0]
    done("IVR by name", ivr.state == "active" and ivr.dnis == ["+15550190000"], ivr)
    done("read IVR", api.get_architect_ivr(ivr.id).name == "Main menu", ivr)
    found = api.get_architect_prompts(name=["Welcome", "Office_Closed"], include_resources=False)
    names = sorted((one.name, one.resources) for one in found.entities)
    done("prompts by name", names == [("Office_Closed", None), ("Welcome", None)], found)
    prompt = api.get_architect_prompt(found.entities[0].id)
    done("read prompt", prompt.resources[0].prompt_id == prompt.id, prompt)


def write_and_find(api):
    source = gc.ExternalSource()
    source.name = f"CRM {RUN}"
    source = api.post_externalcontacts_externalsources(source)
    done("create external source", source.name == f"CRM {RUN}", source)
    listed = api.get_externalcontacts_externalsources(name=f"CRM {RUN}").entities
    done("list external sources", [one.id for one in listed] == [source.id], listed)

    created = api.post_externalcontacts_contacts(contact("Ada", source.id, "003", PHONE))
    done("create contact", created.type == "Curated", created)
    done("normalise phone", created.cell_phone.e164 == PHONE, created)
    read = api.get_externalcontacts_contact(created.id, expand=["identifiers", "externalSources"])
    done("read contact", len(read.identifiers) == 2, read.identifiers)
    done("expand sources", read.external_ids[0].external_source.name == source.name, read)
    found = api.post_externalcontacts_identifierlookup_contacts(phone_identifier(PHONE))
    done("lookup by phone", found.id == created.id, found)
    found = api.post_externalcontacts_identifierlookup_contacts(identifier(source.id, "003"))
    done("lookup by external id", found.id == created.id, found)
    refused("lookup of an unknown phone", 404, "not.found",
            lambda: api.post_externalcontacts_identifierlookup_contacts(phone_identifier("+15559999999")))
    refused("read of an unknown contact", 404, "not.found",
            lambda: api.get_externalcontacts_contact(str(uuid.uuid4())))
    listed = api.get_externalcontacts_contacts(q=RUN, page_size=10)
    done("search contacts", listed.total == 1, listed)
    reverse = api.get_externalcontacts_reversewhitepageslookup(PHONE)
    done("reverse lookup", [one.id for one in reverse.contacts] == [created.id], reverse)
    scanned = api.get_externalcontacts_scan_contacts(limit=200)
    done("scan", created.id in [one.id for one in scanned.entities], scanned)
    return source.id, created.id


def enrich_and_merge(api, source, first):
    one = api.post_externalcontacts_contacts_enrich(enrichment(source, "100", "Grace", phone=OTHER_PHONE))
    two = api.post_externalcontacts_contacts_enrich(enrichment(source, "100", "Grace B."))
    done("enrich twice leaves one contact", one.id == two.id, (one.id, two.id))
    done("enrich updates", two.first_name == "Grace B." and two.cell_phone.e164 == OTHER_PHONE, two)
    bulk = gc.BulkContactsEnrichRequest()
    bulk.entities = [enrichment(source, str(200 + n), f"Bulk {n}", tracker=f"t{n}") for n in range(3)]
    bulk.entities[1].action = "Update"
    answer = api.post_externalcontacts_bulk_contacts_enrich(bulk)
    by_tracker = {result.id: result for result in answer.results}
    done("bulk enrich", by_tracker["t0"].entity.first_name == "Bulk 0", answer)
    failed = answer.results[answer.error_indexes[0]]
    done("bulk enrich tells its error", failed.id == "t1" and failed.error.status == 404, failed)

    merge = gc.MergeContactsRequest()
    merge.contact_ids = [first, two.id]
    merged = api.post_externalcontacts_contacts_merge(merge)
    done("merge", merged.id not in (first, two.id) and len(merged.merge_set) == 3, merged)
    done("read of a merged id", api.get_externalcontacts_contact(first).id == merged.id, merged)
    found = api.post_externalcontacts_identifierlookup_contacts(phone_identifier(OTHER_PHONE))
    done("lookup after merge", found.id == merged.id, found)
    change = gc.ContactsPatchChange()
    change.field, change.action, change.value = "$.title", "Update", "Dr"
    patch = gc.ExternalContactsPatchRequest()
    patch.changes = [change]
    done("patch", api.patch_externalcontacts_contact(merged.id, patch).title == "Dr", merged)
    return merged.id


def in_bulk(api, source, merged, ancestor):
    """Whole contacts: results in any order, errors of their own, ancestors lead to the canonical one."""
    def request(entities, kind=gc.BulkContactsRequest):
        body = kind()
        body.entities = entities
        return body

    def ids(*all):
        entities = []
        for id in all:
            entities.append(gc.Entity())
            entities[-1].id = id
        return request(entities, gc.BulkIdsRequest)

    people = request([contact(f"Many {n}", source, str(300 + n)) for n in range(3)])
    people.entities[1].work_email = "no address"
    added = api.post_externalcontacts_bulk_contacts_add(people)
    good = [result.entity for result in added.results if result.success]
    done("bulk add", len(good) == 2 and added.error_count == 1, added)
    error = added.results[added.error_indexes[0]].error
    done("bulk add tells the field", error.details[0].field_name == "workEmail", error)
    one, two = sorted(good, key=lambda entity: entity.first_name)
    asked = [one.id, two.id, ancestor]
    fetched = api.post_externalcontacts_bulk_contacts(ids(*asked))
    by_id = {result.id: result.entity.id for result in fetched.results}
    done("results have the ids asked for", set(by_id) == set(asked), fetched)
    done("an ancestor is its canonical contact", by_id[ancestor] == merged, fetched)
    order = [result.id for result in fetched.results]
    done("results come in another order", order != asked, order)
    unresolved = api.post_externalcontacts_bulk_contacts_unresolved(ids(ancestor))
    done("unresolved it is itself", unresolved.results[0].entity.id == ancestor, unresolved)
    whole = [result.entity for result in fetched.results if result.id == one.id][0]
    whole.title, stranger = "Dr", contact("Nobody")
    stranger.id = str(uuid.uuid4())
    updated = api.post_externalcontacts_bulk_contacts_update(request([whole, stranger]))
    by_id = {result.id: result for result in updated.results}
    done("bulk update", by_id[one.id].entity.title == "Dr" and by_id[one.id].entity.first_name == "Many 0", updated)
    done("bulk update of nobody", by_id[stranger.id].error.status == 404, updated)
    removed = api.post_externalcontacts_bulk_contacts_remove(ids(one.id, two.id, stranger.id))
    done("bulk remove", removed.error_count == 1, removed)
    refused("read of a removed contact", 404, "not.found", lambda: api.get_externalcontacts_contact(one.id))
    many = gc.BulkContactsEnrichRequest()
    many.entities = [enrichment(source, str(400 + n), "Many", tracker=str(n)) for n in range(11)]
    refused("eleven to enrich", 400, "bad.request", lambda: api.post_externalcontacts_bulk_contacts_enrich(many))


def organizations(api, source):
    acme = gc.ExternalOrganization()
    acme.name, acme.tags = f"Acme {RUN}", ["vip"]
    acme.external_ids = contact("", source, "001").external_ids
    request = gc.ExternalOrganizationEnrichRequest()
    request.action, request.external_organization = "Upsert", acme
    request.matching_identifiers = [gc.ExternalOrganizationIdentifier()]
    own = request.matching_identifiers[0]
    own.type, own.value, own.external_source = "ExternalId", "001", identifier(source, "").external_source
    made = api.post_externalcontacts_organizations_enrich(request)
    again = api.post_externalcontacts_organizations_enrich(request)
    done("enrich organization twice leaves one", made.id == again.id and made.name == acme.name, again)
    found = api.post_externalcontacts_identifierlookup_organizations(own)
    done("lookup of an organization", found.id == made.id, found)
    scanned = api.get_externalcontacts_scan_organizations(limit=200)
    done("scan of organizations", [one.id for one in scanned.entities] == [made.id], scanned)
    person = contact("Tied")
    person.external_organization = gc.ExternalOrganization()
    person.external_organization.id, person.external_organization.name = made.id, acme.name
    person = api.post_externalcontacts_contacts(person)
    read = api.get_externalcontacts_contact(person.id, expand=["externalOrganization"])
    done("a contact's organization", read.external_organization.name == acme.name, read)
    made.industry = "Anvils"
    many = gc.BulkOrganizationsRequest()
    many.entities = [made, gc.ExternalOrganization()]
    many.entities[1].name, many.entities[1].id = "Nobody", str(uuid.uuid4())
    updated = api.post_externalcontacts_bulk_organizations_update(many)
    by_id = {result.id: result for result in updated.results}
    done("bulk update of organizations", by_id[made.id].entity.industry == "Anvils", updated)
    done("and of none", by_id[many.entities[1].id].error.status == 404, updated)
    api.delete_externalcontacts_organization(made.id)
    refused("read of a deleted organization", 404, "not.found",
            lambda: api.get_externalcontacts_organization(made.id))


def custom_fields(api):
    tag = api.get_externalcontacts_contacts_schemas_coretype("tag")
    done("core type", tag.validation_limits.max_items.max > 1, tag)
    schema = gc.DataSchema()
    schema.name, schema.version, schema.enabled = f"Schema {RUN}", 1, True
    schema.json_schema = gc.JsonSchemaDocument()
    schema.json_schema.title, schema.json_schema.type = "Schema", "object"
    schema.json_schema.properties = {"tags_tag": {"allOf": [{"$ref": "#/definitions/tag"}], "title": "tags"}}
    schema = api.post_externalcontacts_contacts_schemas(schema)
    person = contact("Tagged")
    person.schema, person.custom_fields = schema, {"tags_tag": ["a", "b"]}
    person = api.post_externalcontacts_contacts(person)
    done("custom field", person.custom_fields == {"tags_tag": ["a", "b"]}, person)
    person.custom_fields = {"tags_tag": "no list"}
    refused("a value of another type", 400, "bad.request",
            lambda: api.put_externalcontacts_contact(person.id, person))
    schema.json_schema.properties["tier_text"] = {"allOf": [{"$ref": "#/definitions/text"}], "title": "tier"}
    changed = api.put_externalcontacts_contacts_schema(schema.id, schema)
    done("a schema's next version", changed.version == 2, changed)
    refused("a change of an old version", 409, "conflict",
            lambda: api.put_externalcontacts_contacts_schema(schema.id, schema))


def call(client, contacts, contact_id):
    api, id = gc.ConversationsApi(client), os.environ["GC_CONVERSATION"]
    conversation = api.get_conversation(id)
    customer = next(one for one in conversation.participants if one.purpose in ("customer", "external"))
    done("read conversation", customer.ani and customer.calls[0].id, conversation)
    attributes = gc.ParticipantAttributes()
    attributes.attributes = {"PT_SearchValue": PHONE, "run": RUN}
    api.patch_conversation_participant_attributes(id, customer.id, attributes)
    seen = next(one for one in api.get_conversation(id).participants if one.id == customer.id)
    done("set attributes", seen.attributes["run"] == RUN, seen)
    association = gc.ConversationAssociation()
    association.conversation_id, association.communication_id = id, customer.calls[0].id
    association.media_type, association.external_contact_id = "CALL", contact_id
    contacts.put_externalcontacts_conversation(id, association)
    seen = next(one for one in api.get_conversation(id).participants if one.id == customer.id)
    done("associate", seen.external_contact_id == contact_id, seen)
    refused("read of a conversation that is no UUID", 400, "bad.request", lambda: api.get_conversation("abc-123"))


def sign_in(**user):
    """Stands for the platform's login page; gives the token and a code for it."""
    body = json.dumps(user).encode()
    url, kind = os.environ["GC_URL"] + "/_sim/sign-in", {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, kind)) as answer:
        return json.load(answer)


def a_user():
    verifier = uuid.uuid4().hex + uuid.uuid4().hex
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    user, widget = str(uuid.uuid4()), os.environ["GC_WIDGET_ID"]
    code = sign_in(userId=user, codeChallenge=challenge)["code"]
    client, _ = gc.api_client.ApiClient().get_pkce_token(widget, verifier, code, "https://crm.example/widget")
    done("login by PKCE", client.access_token, client)
    me = gc.UsersApi(client).get_users_me()
    done("a user's token says who", me.id == user and me.state == "active", me)
    token = gc.TokensApi(client).get_tokens_me(preserve_idle_ttl=True)
    done("and through which client", token.o_auth_client.id == widget, token)
    done("and where", token.organization.id == gc.OrganizationApi(client).get_organizations_me().id, token)
    wrong = sign_in(userId=user, codeChallenge=challenge)["code"]
    refused("a code with another verifier", 400, "invalid_grant",
            lambda: gc.api_client.ApiClient().get_pkce_token(widget, verifier[::-1], wrong, "https://crm.example/widget"))
    inactive = gc.api_client.ApiClient()
    inactive.access_token = sign_in(userId=user, state="inactive")["access_token"]
    done("an inactive user says so", gc.UsersApi(inactive).get_users_me().state == "inactive")


def past(client, contacts):
    """What reconciliation asks: which calls there were, and that their contacts stay."""
    api, id = gc.AnalyticsApi(client), os.environ["GC_CONVERSATION"]
    now = datetime.datetime.now(datetime.timezone.utc)
    written = lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    query = gc.ConversationQuery()
    query.interval = f"{written(now - datetime.timedelta(hours=1))}/{written(now + datetime.timedelta(hours=1))}"
    query.order, query.order_by = "asc", "conversationStart"
    query.paging = gc.PagingSpec()
    query.paging.page_size, query.paging.page_number = 100, 1
    told = api.post_analytics_conversations_details_query(query)
    found = [one for one in told.conversations if one.conversation_id == id]
    done("query past calls", told.total_hits >= 1 and len(found) == 1, told)
    customer = next(one for one in found[0].participants if one.purpose == "customer")
    session = customer.sessions[0]
    done("past call", session.ani.startswith("tel:+") and session.media_type == "voice", session)
    query.paging.page_size = 101
    refused("query of too large a page", 400, "bad.request",
            lambda: api.post_analytics_conversations_details_query(query))
    query.paging.page_size, query.interval = 100, "yesterday"
    refused("query of no interval", 400, "invalid.date",
            lambda: api.post_analytics_conversations_details_query(query))
    asked = gc.BulkIdsRequest()
    asked.entities = [gc.Entity()]
    asked.entities[0].id = customer.external_contact_id
    fetched = contacts.post_externalcontacts_bulk_contacts(asked)
    done("bulk fetch", fetched.results[0].entity.type == "Identified", fetched)
    promoted = contacts.post_externalcontacts_contact_promotion(customer.external_contact_id)
    done("promote", promoted.type == "Curated", promoted)
    refused("promotion of an unknown contact", 404, "not.found",
            lambda: contacts.post_externalcontacts_contact_promotion(str(uuid.uuid4())))


def presences(client):
    """An agent's presence and routing status, read and set."""
    api, users = gc.PresenceApi(client), gc.UsersApi(client)
    listed = api.get_presence_definitions(deactivated="false").entities
    by_name = {one.name: one for one in listed}
    done("presence definitions", by_name["On Queue"].type == "System" and "Fax duty" not in by_name, listed)
    secondary = api.get_presence_definition(by_name["Back office"].id)
    done("a secondary presence", secondary.type == "User" and secondary.system_presence == "Busy", secondary)
    user = users.get_users(expand=["presence", "routingStatus"], page_size=1).entities[0]
    done("users with what they show", user.presence.modified_date and user.routing_status.status == "OFF_QUEUE", user)
    wanted = {"presenceDefinition": {"id": by_name["On Queue"].id}, "message": run_message()}
    shown = api.patch_user_presences_purecloud(user.id, wanted)
    done("set presence", shown.presence_definition.id == by_name["On Queue"].id, shown)
    routing = users.get_user_routingstatus(user.id)
    done("on queue is idle", routing.status == "IDLE" and routing.user_id == user.id, routing)
    body = gc.RoutingStatus()
    body.status = "COMMUNICATING"
    refused("a routing status is the system's", 400, "general.bad.request",
            lambda: users.put_user_routingstatus(user.id, body))
    many = gc.MutableUserPresence()
    many.id, many.presence_definition = user.id, gc.PresenceDefinition()
    many.presence_definition.id = by_name["Meal"].id
    done("set many", len(api.put_users_presences_bulk([many])) == 1)
    read = api.get_users_presences_purecloud_bulk(id=[user.id])
    done("read many", read[0].user_id == user.id and read[0].presence_definition.system_presence == "Meal", read)
    refused("an unknown presence", 400, "bad.request",
            lambda: api.patch_user_presences_purecloud(user.id, {"presenceDefinition": {"id": str(uuid.uuid4())}}))


def run_message():
    return f"run {RUN}"


def main():
    client = login()
    presences(client)
    contacts = gc.ExternalContactsApi(client)
    past(client, contacts)
    source, first = write_and_find(contacts)
    merged = enrich_and_merge(contacts, source, first)
    in_bulk(contacts, source, merged, first)
    organizations(contacts, source)
    custom_fields(contacts)
    call(client, contacts, merged)
    contacts.delete_externalcontacts_contact(merged)
    refused("read of a deleted contact", 404, "not.found", lambda: contacts.get_externalcontacts_contact(merged))
    refused("client credentials are nobody", 400, "not.a.user", lambda: gc.UsersApi(client).get_users_me())
    a_user()
    if operations != OPERATIONS:
        sys.exit(f"{operations} operations, not {OPERATIONS}")
    print(f"{operations} operations ok")


main()
