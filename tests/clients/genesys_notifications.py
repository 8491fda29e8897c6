"""Genesys' own Python SDK and PyPI's `websockets` against the simulated notification service.

Opens a channel, listens on its socket, and asserts what comes of an agent's changes.
Needs PureCloudPlatformClientV2 269.0.0 and websockets 17.4. `genesys-notifications` 1.3 is
not used: it hands coroutines to `asyncio.wait`, which Python refuses since 3.11.

Environment: GC_URL, GC_CLIENT_ID, GC_CLIENT_SECRET. Last line: `N operations ok`. Exit code 1
on the first failure.
"""

import asyncio
import json
import os
import sys
import urllib.parse
import urllib.request

import PureCloudPlatformClientV2 as gc
import websockets

# How many there are below: none is left out silently.
OPERATIONS = 9
operations = 0


def done(name, condition, seen=None):
    global operations
    if not condition:
        sys.exit(f"{name}: not as expected: {seen}")
    operations += 1
    print(f"ok {name}")


def topic(name):
    body = gc.ChannelTopic()
    body.id = name
    return body


def agent_shows(user, presence):
    path = f"/_sim/agents/{user}/presence/{urllib.parse.quote(presence)}"
    urllib.request.urlopen(urllib.request.Request(os.environ["GC_URL"] + path, method="POST"))


async def hear(socket):
    return json.loads(await asyncio.wait_for(socket.recv(), 20))


async def main():
    gc.configuration.host = os.environ["GC_URL"]
    client = gc.api_client.ApiClient().get_client_credentials_token(
        os.environ["GC_CLIENT_ID"], os.environ["GC_CLIENT_SECRET"]
    )
    user = gc.UsersApi(client).get_users(page_size=1).entities[0].id
    api = gc.NotificationsApi(client)
    channel = api.post_notifications_channels()
    done("open a channel", channel.connect_uri.startswith("ws://"), channel)
    activity, routing = f"v2.users.{user}.activity", f"v2.users.{user}.routingStatus"
    topics = api.put_notifications_channel_subscriptions(channel.id, [topic(activity)])
    done("subscribe", [one.state for one in topics.entities] == ["Permitted"], topics)
    listed = api.get_notifications_channels()
    done("list channels", channel.id in [one.id for one in listed.entities], listed)
    async with websockets.connect(channel.connect_uri) as socket:
        await socket.send(json.dumps({"message": "ping"}))
        pong = await hear(socket)
        done("pong", pong == {"topicName": "channel.metadata", "eventBody": {"message": "pong"}}, pong)
        await (await socket.ping())
        done("a ping of the protocol", True)
        agent_shows(user, "On Queue")
        seen = [await hear(socket), await hear(socket)]
        done("activity", all(one["topicName"] == activity for one in seen), seen)
        done("idle once on queue", seen[1]["eventBody"]["routingStatus"]["status"] == "IDLE", seen)
        await socket.send(json.dumps({"message": "subscribe", "topics": [routing], "correlationId": "c"}))
        answer = await hear(socket)
        done("subscribe over the socket", answer["result"] == "200" and answer["correlationId"] == "c", answer)
        async with websockets.connect(channel.connect_uri):
            try:
                await hear(socket)
                sys.exit("a second socket did not drop the first")
            except websockets.exceptions.ConnectionClosed:
                done("a second socket drops the first", True)
    if operations != OPERATIONS:
        sys.exit(f"{operations} operations, not {OPERATIONS}")
    print(f"{operations} operations ok")


asyncio.run(main())
