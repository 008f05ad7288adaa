"""A hangups client under remote control: JSON lines in, JSON lines out.

Every command is an object with "cmd" and an "id" of the caller's choice; it is answered by
{"event": "result", "id": ..., "ok": true, ...} or {..., "ok": false, "error": "..."}.
Commands run side by side; messages of one conversation leave in the order of the commands.
Times are microseconds. Besides results these events are written: connected, disconnected,
reconnected, stopped, message, event, typing, watermark, update.
"""
import asyncio
import base64
import datetime
import io
import json
import logging
import os
import sys

import hangups
from google.protobuf import json_format
from hangups import hangouts_pb2, parsers

TYPING = {
    'started': hangouts_pb2.TYPING_TYPE_STARTED,
    'paused': hangouts_pb2.TYPING_TYPE_PAUSED,
    'stopped': hangouts_pb2.TYPING_TYPE_STOPPED,
}


def emit(event, **fields):
    fields['event'] = event
    sys.stdout.write(json.dumps(fields) + '\n')
    sys.stdout.flush()


def to_us(when):
    delta = when - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (delta.days * 86400 + delta.seconds) * 1000000 + delta.microseconds


class TokenCache:
    """A refresh token cache in memory."""

    def __init__(self, token):
        self._token = token

    def get(self):
        return self._token

    def set(self, token):
        self._token = token


class Prompt:
    """Answers of the credential flow, from the login command."""

    def __init__(self, command):
        self._command = command

    def _value(self, name):
        if name not in self._command:
            raise RuntimeError('no {} given'.format(name))
        return self._command[name]

    def get_email(self):
        return self._value('email')

    def get_password(self):
        return self._value('password')

    def get_verification_code(self):
        return self._value('verification_code')

    def get_authorization_code(self):
        return self._value('authorization_code')


def describe_event(event):
    """One conversation event as JSON."""
    out = dict(
        conversation_id=event.conversation_id,
        event_id=event.id_,
        sender=event.user_id.gaia_id,
        timestamp_us=to_us(event.timestamp),
        kind=type(event).__name__,
    )
    if isinstance(event, hangups.ChatMessageEvent):
        out['text'] = event.text
        out['attachments'] = event.attachments
        out['segments'] = [
            dict(type=s.type_, text=s.text, bold=s.is_bold, italic=s.is_italic,
                 strikethrough=s.is_strikethrough, underline=s.is_underline,
                 link_target=s.link_target)
            for s in event.segments
        ]
    elif isinstance(event, hangups.RenameEvent):
        out['text'] = event.new_name
        out['old_name'] = event.old_name
    elif isinstance(event, hangups.MembershipChangeEvent):
        out['type'] = event.type_
        out['members'] = [user.gaia_id for user in event.participant_ids]
    return out


def make_segments(command):
    """Segments of a send command: markdown text, literal text, or given one by one."""
    if 'segments' in command:
        return [
            hangups.ChatMessageSegment(
                s['text'], segment_type=s.get('type'), is_bold=s.get('bold', False),
                is_italic=s.get('italic', False), is_strikethrough=s.get('strikethrough', False),
                is_underline=s.get('underline', False), link_target=s.get('link_target'))
            for s in command['segments']
        ]
    if command.get('markdown'):
        return hangups.ChatMessageSegment.from_str(command['text'])
    segments = []
    for number, line in enumerate(command['text'].split('\n')):
        if number:
            segments.append(hangups.ChatMessageSegment(
                '\n', segment_type=hangouts_pb2.SEGMENT_TYPE_LINE_BREAK))
        if line:
            segments.append(hangups.ChatMessageSegment(line))
    return segments


class Driver:
    """One hangups client and the commands for it."""

    def __init__(self):
        self.cookies = None
        self.client = None
        self.users = None
        self.conversations = None
        self.running = None
        self.ready = None
        self.last_us = 0
        self.seen = set()
        self.updates = False

    # Connection

    async def cmd_login(self, command):
        """Log in and connect; answers when the lists are built.

        resume: connect anew (and emit what was missed) when the client gives up.
        updates: also emit every state update, as protobuf JSON.
        """
        self.updates = command.get('updates', False)
        loop = asyncio.get_event_loop()
        self.cookies = await loop.run_in_executor(None, lambda: hangups.get_auth(
            Prompt(command), TokenCache(command.get('refresh_token')),
            manual_login='authorization_code' in command))
        self.ready = loop.create_future()
        self.running = asyncio.ensure_future(self.run(command))
        await asyncio.wait([self.ready, self.running], return_when=asyncio.FIRST_COMPLETED)
        if not self.ready.done():
            await self.running
            raise RuntimeError('the client stopped before it was connected')
        await self.ready
        return dict(cookies=sorted(self.cookies), client_id=self.client.get_request_header()
                    .client_identifier.resource)

    async def run(self, command):
        resume = command.get('resume', False)
        while True:
            client = hangups.Client(
                self.cookies, max_retries=command.get('max_retries', 1000000),
                retry_backoff_base=command.get('retry_backoff_base', 1))
            client.on_connect.add_observer(self.on_connect)
            client.on_reconnect.add_observer(self.on_reconnect)
            client.on_disconnect.add_observer(self.on_disconnect)
            client.on_state_update.add_observer(self.on_state_update)
            self.client = client
            error = None
            try:
                await client.connect()
            except Exception as err:  # what ends connect is the caller's to judge
                error = '{}: {}'.format(type(err).__name__, err)
            emit('stopped', error=error)
            if not resume or error is None:
                if error and not self.ready.done():
                    self.ready.set_exception(RuntimeError(error))
                return
            await asyncio.sleep(0.3)

    async def on_connect(self):
        self.users, self.conversations = await hangups.build_user_conversation_list(self.client)
        self.conversations.on_event.add_observer(self.on_event)
        self.conversations.on_typing.add_observer(self.on_typing)
        self.conversations.on_watermark_notification.add_observer(self.on_watermark)
        if self.last_us:
            await self.catch_up()
        for conv in self.conversations.get_all(include_archived=True):
            for event in conv.events:
                self.seen.add(event.id_)
                self.last_us = max(self.last_us, to_us(event.timestamp))
        emit('connected', conversations=len(self.conversations.get_all(include_archived=True)))
        if not self.ready.done():
            self.ready.set_result(None)

    async def catch_up(self):
        """After a new client: emit what the old one did not see."""
        response = await self.client.sync_all_new_events(
            hangouts_pb2.SyncAllNewEventsRequest(
                request_header=self.client.get_request_header(),
                last_sync_timestamp=self.last_us, max_response_size_bytes=1048576))
        events = [e for state in response.conversation_state for e in state.event]
        for event in sorted(events, key=lambda e: e.timestamp):
            await self.on_event(hangups.conversation.Conversation._wrap_event(event))

    async def on_reconnect(self):
        emit('reconnected')

    async def on_disconnect(self):
        emit('disconnected')

    async def on_state_update(self, update):
        if self.updates:
            emit('update', update=json_format.MessageToDict(update, preserving_proto_field_name=True))

    async def on_event(self, event):
        if event.id_ in self.seen:
            return
        self.seen.add(event.id_)
        self.last_us = max(self.last_us, to_us(event.timestamp))
        is_message = isinstance(event, hangups.ChatMessageEvent)
        emit('message' if is_message else 'event', **describe_event(event))

    async def on_typing(self, status):
        emit('typing', conversation_id=status.conv_id, sender=status.user_id.gaia_id,
             timestamp_us=to_us(status.timestamp), type=status.status)

    async def on_watermark(self, mark):
        emit('watermark', conversation_id=mark.conv_id, sender=mark.user_id.gaia_id,
             read_us=to_us(mark.read_timestamp))

    # Commands

    def conversation(self, command):
        return self.conversations.get(command['conversation_id'])

    async def cmd_send(self, command):
        image = None
        if 'image' in command:
            image = io.BytesIO(base64.b64decode(command['image']))
            image.name = command.get('image_name', 'image.png')
        conv = self.conversation(command)
        event = await conv.send_message(make_segments(command), image_file=image)
        return dict(message=describe_event(event))

    async def cmd_send_many(self, command):
        """Send texts in order, each after the one before was answered."""
        pause = command.get('interval_ms', 0) / 1000
        conv = self.conversation(command)
        sent = []
        for text in command['texts']:
            event = await conv.send_message(make_segments(dict(text=text)))
            sent.append(event.id_)
            if pause:
                await asyncio.sleep(pause)
        return dict(event_ids=sent)

    async def cmd_list(self, command):
        out = []
        for conv in self.conversations.get_all(include_archived=True):
            out.append(dict(
                id=conv.id_, name=conv.name, users=[u.id_.gaia_id for u in conv.users],
                group=conv._conversation.type == hangouts_pb2.CONVERSATION_TYPE_GROUP,
                archived=conv.is_archived, quiet=conv.is_quiet, off_the_record=conv.is_off_the_record,
                last_modified_us=to_us(conv.last_modified),
                latest_read_us=to_us(conv.latest_read_timestamp),
                watermarks={u.gaia_id: to_us(t) for u, t in conv.watermarks.items()},
                events=[e.id_ for e in conv.events]))
        return dict(conversations=out)

    async def cmd_users(self, command):
        return dict(users=[dict(
            gaia_id=u.id_.gaia_id, full_name=u.full_name, first_name=u.first_name,
            photo_url=u.photo_url, emails=list(u.emails), is_self=u.is_self) for u in self.users.get_all()])

    async def cmd_history(self, command):
        """Events before one ("before"), or the newest loaded ones."""
        events = await self.conversation(command).get_events(
            event_id=command.get('before'), max_events=command.get('max_events', 50))
        return dict(events=[describe_event(e) for e in events])

    async def cmd_typing(self, command):
        await self.conversation(command).set_typing(TYPING[command.get('type', 'started')])
        return {}

    async def cmd_watermark(self, command):
        """Read up to timestamp_us, default the newest loaded event."""
        when = None
        if 'timestamp_us' in command:
            when = parsers.from_timestamp(command['timestamp_us'])
        await self.conversation(command).update_read_timestamp(when)
        return {}

    async def cmd_set_active(self, command):
        await self.client.set_active()
        return {}

    async def cmd_create_conversation(self, command):
        group = command.get('group', len(command['gaia_ids']) > 1)
        response = await self.client.create_conversation(hangouts_pb2.CreateConversationRequest(
            request_header=self.client.get_request_header(),
            type=(hangouts_pb2.CONVERSATION_TYPE_GROUP if group
                  else hangouts_pb2.CONVERSATION_TYPE_ONE_TO_ONE),
            client_generated_id=self.client.get_client_generated_id(),
            name=command.get('name', ''),
            invitee_id=[hangouts_pb2.InviteeID(gaia_id=g) for g in command['gaia_ids']]))
        return dict(conversation_id=response.conversation.conversation_id.id,
                    created=response.new_conversation_created)

    async def cmd_rename(self, command):
        await self.conversation(command).rename(command['name'])
        return {}

    async def cmd_leave(self, command):
        await self.conversations.leave_conversation(command['conversation_id'])
        return {}

    async def cmd_request(self, command):
        """Any low-level call: "method" of hangups.Client, "message" its request type."""
        request = getattr(hangouts_pb2, command['message'])()
        json_format.ParseDict(command.get('request', {}), request)
        request.request_header.CopyFrom(self.client.get_request_header())
        response = await getattr(self.client, command['method'])(request)
        return dict(response=json_format.MessageToDict(response, preserving_proto_field_name=True))

    async def cmd_methods(self, command):
        """The low-level calls that hangups has: coroutines of its client."""
        return dict(methods=sorted(
            name for name, value in vars(hangups.Client).items()
            if asyncio.iscoroutinefunction(value) and not name.startswith('_')))

    async def cmd_upload(self, command):
        """Upload an image; answers with id and address."""
        image = await self.client.upload_image(
            io.BytesIO(base64.b64decode(command['image'])), filename=command['name'],
            return_uploaded_image=True)
        return dict(image_id=image.image_id, url=image.url)

    async def cmd_ids(self, command):
        """What hangups makes up for a request."""
        header = self.client.get_request_header()
        return dict(client_generated_id=self.client.get_client_generated_id(),
                    resource=header.client_identifier.resource, language=header.language_code)

    async def cmd_disconnect(self, command):
        await self.client.disconnect()
        await self.running
        return {}

    async def handle(self, command):
        try:
            fields = await getattr(self, 'cmd_' + command['cmd'])(command)
            emit('result', id=command.get('id'), ok=True, **fields)
        except Exception as err:  # every failure is the answer to a command
            emit('result', id=command.get('id'), ok=False,
                 error='{}: {}'.format(type(err).__name__, err))


async def main():
    logging.basicConfig(level=os.environ.get('HANGUPS_LOG', 'WARNING'), stream=sys.stderr)
    loop = asyncio.get_event_loop()
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    driver = Driver()
    tasks = set()
    emit('started', python=sys.version.split()[0], hangups=hangups.version.__version__)
    while True:
        line = await reader.readline()
        if not line:
            break
        command = json.loads(line)
        if command['cmd'] == 'quit':
            emit('result', id=command.get('id'), ok=True)
            break
        task = asyncio.ensure_future(driver.handle(command))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    for task in list(tasks) + [driver.running]:
        if task is not None:
            task.cancel()
    await asyncio.sleep(0)


if __name__ == '__main__':
    try:
        asyncio.run(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
