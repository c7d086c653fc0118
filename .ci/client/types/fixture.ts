// Correct and wrong uses of the client of the fixture. It is not run; tsc checks the types.

import { WebSocket as NodeWebSocket } from "ws";

import {
  AskRefused,
  CallLost,
  CallRefused,
  ConnectFailed,
  Forms,
  Lobby,
  Lobby2,
  Names,
  Overflow,
  Room,
  Shop,
  TablesSeats,
  type CommonCode,
  type Everything,
  type EverythingInput,
  type Options,
  type RoomCodes,
  type Said,
  type State,
  type Stop,
} from "../fixture/client.js";

/** Accepts only a value of exactly this type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

const options: Options = { base: "wss://api.example.com" };

export async function connecting(): Promise<Room> {
  await Lobby.connect(options);
  Lobby.open({ base: "wss://x", reconnect: false, idle: 0, timeout: 5000 });
  Lobby2.open({ base: "wss://x", reconnect: { first: 10, longest: 100, stable: 1000 } });
  Lobby.open({ base: "wss://x", query: { a: 1, b: [true, "x"], c: undefined } });
  Lobby.open({ base: "wss://x", WebSocket: NodeWebSocket });
  Lobby.open({ base: "wss://x", WebSocket: globalThis.WebSocket });
  Lobby.open({ base: "wss://x", WebSocket: undefined, token: undefined });
  // @ts-expect-error: an address is required
  Lobby.open({});
  // @ts-expect-error: this is not a WebSocket
  Lobby.open({ base: "wss://x", WebSocket: Map });
  // @ts-expect-error: channels are made by `connect` and `open`
  new Room();
  // @ts-expect-error: the parameters of the path are required
  await Room.connect(options);
  // @ts-expect-error: one is missing
  await Room.connect({ room: "lobby" }, options);
  // @ts-expect-error: one has another type
  await Room.connect({ room: "lobby", seat: "1" }, options);
  // @ts-expect-error: this channel has no parameters
  await Lobby.connect({ room: "lobby" }, options);
  // @ts-expect-error: the query has another type
  await Room.connect({ room: "lobby", seat: 1 }, { base: "wss://x", query: { lang: 1 } });
  // @ts-expect-error: a token is a string
  await Room.connect({ room: "lobby", seat: 1 }, { base: "wss://x", token: () => 1 });
  return Room.connect(
    { room: "lobby", seat: 1 },
    {
      base: "wss://x",
      query: { lang: null, tags: ["a"] },
      token: async () => "secret",
      protocols: ["chat.v2"],
      onUnknown: (event, data) => same<typeof event, string | undefined>(data === undefined || true),
      onFrame: (direction, text) => console.log(direction === "sent" ? ">" : "<", text.length),
    },
  );
}

export async function calling(room: Room, lobby: Lobby, shop: Shop, forms: Forms): Promise<void> {
  const said = await room.say({ text: "hi" }, { timeout: 1000, signal: AbortSignal.timeout(10) });
  same<typeof said, Said>(true);
  same<typeof said.id, number>(true);
  same<typeof said.reply_to, number | null>(true);
  await room.say({ text: "hi", mood: "very_happy" });
  // @ts-expect-error: a required field is missing
  await room.say({});
  // @ts-expect-error: an unknown field
  await room.say({ text: "hi", txt: "hi" });
  // @ts-expect-error: an unknown mood
  await room.say({ text: "hi", mood: "angry" });
  // @ts-expect-error: a field that may be absent is not undefined
  await room.say({ text: "hi", mood: undefined });
  // @ts-expect-error: an unknown event
  await room.shout({ text: "hi" });
  same<Awaited<ReturnType<typeof room.find>>, number | undefined>(true);
  same<Awaited<ReturnType<typeof room.typing>>, void>(true);
  same<Awaited<ReturnType<typeof room.who>>, string[]>(true);
  await room.who({ timeout: 10 });
  // @ts-expect-error: this event has no data
  await room.who({ text: "hi" });
  for await (const line of room.history({ limit: 5 })) same<typeof line, Said>(true);
  for await (const value of room.slow()) same<typeof value, unknown>(true);
  // @ts-expect-error: several replies are not one promise
  await room.history({}).then();
  await lobby.note();
  await lobby.note({ anything: [1] }, { timeout: 0 });
  await shop.order({ item: "tea" });
  same<Awaited<ReturnType<typeof shop.order>>["count"], number>(true);
  await shop.redeem({ code: "x" });
  same<Awaited<ReturnType<typeof room.call<"say">>>, Said>(true);
  await room.call("stopped_typing", { timeout: 10 });
  await room.call("say", { text: "hi" });
  // @ts-expect-error: data of another type
  await room.call("say", 1);
  // @ts-expect-error: an unknown event
  await room.call("shout");
  const everything: EverythingInput = {
    adjacent: { t: "B", c: { x: "a" } },
    external: { Tuple: [1, true] },
    map: { a: [1] },
    pair: ["a", 1],
    shape: { type: "square", side: 1 },
    tree: { value: 1, children: [{ value: 2, children: [] }] },
    unit: null,
    untagged: ["a"],
  };
  const answer: Everything = await forms.everything(everything);
  if (answer.shape.type === "circle") same<typeof answer.shape.radius, number>(true);
  // @ts-expect-error: a pair has two items
  await forms.everything({ ...everything, pair: ["a"] });
  // @ts-expect-error: another variant has this field
  await forms.everything({ ...everything, shape: { type: "circle", side: 1 } });
}

export async function names(names: Names): Promise<void> {
  // A method has the name of its event; events that cannot be methods are called by name.
  const said = await names.call("names/say it", { text: "a" });
  same<typeof said.$schema, string>(true);
  await names.call("names/say-it");
  names.on("names/said it", ({ $schema }) => same<typeof $schema, string>(true));
  // @ts-expect-error: this event has no method
  await names["names/say-it"]();
  const place = { table: "2", side: "left", rest: "a/b" } as const;
  await TablesSeats.connect(place, { base: "wss://x", query: { page: 1, table: 2 } });
  // @ts-expect-error: the query is required
  await TablesSeats.connect(place, { base: "wss://x" });
  // @ts-expect-error: an unknown side
  await TablesSeats.connect({ ...place, side: "top" }, { base: "wss://x", query: { page: 1, table: 2 } });
}

export async function listening(room: Room): Promise<void> {
  const stop: Stop = room.on("joined", (joined) => same<typeof joined.account, string>(true));
  stop();
  room.on("said", (said) => same<typeof said, Said>(true));
  room.on("closing", (nothing) => same<typeof nothing, null>(true));
  // @ts-expect-error: an unknown event
  room.on("shout", () => {});
  // @ts-expect-error: an ask is not an event
  room.on("confirm", () => {});
  for await (const { account } of room.events("joined")) same<typeof account, string>(true);
  room.answer("confirm", ({ amount }) => amount < 100);
  room.answer("confirm", async ({ amount }) => {
    if (amount > 1000) throw new AskRefused("too_much", "not today");
    return true;
  });
  // @ts-expect-error: the answer has another type
  room.answer("confirm", ({ amount }) => amount);
  // @ts-expect-error: an unknown ask
  room.answer("joined", () => true);
}

export function states(room: Room): void {
  // @ts-expect-error: the state cannot be set
  room.state = { name: "open" };
  room.watch((state: State) => {
    switch (state.name) {
      case "connecting":
        return same<typeof state.attempt, number>(true);
      case "open":
        // @ts-expect-error: an open connection has no code
        return state.code;
      case "waiting":
        return same<typeof state.delay, number>(true);
      case "closed":
        return same<typeof state.code, number>(true);
    }
  });
  room.retryNow();
  room.close();
  room.close(4000, "bye");
}

export function errors(error: unknown): string | number | undefined {
  same<RoomCodes["say"], "empty" | "too_long" | CommonCode>(true);
  if (Room.refused("say", error)) {
    same<typeof error.code, "empty" | "too_long" | CommonCode>(true);
    // @ts-expect-error: an unknown code
    return error.code === "too_short" ? 1 : 2;
  }
  if (error instanceof CallRefused) return error.code + error.path;
  if (error instanceof CallLost) {
    // @ts-expect-error: an unknown reason
    if (error.why === "gone") return 1;
    return error.wasSent ? error.why : error.event;
  }
  if (error instanceof ConnectFailed) return error.code;
  if (error instanceof Overflow) return error.event;
  new CallRefused("say", { code: "empty" });
  new CallLost("say", "timeout", { wasSent: true });
  return undefined;
}
