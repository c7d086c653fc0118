// Uses of the client of the demo. It is not run; tsc checks the types.

import { CallRefused, Room, type CommonCode, type Member, type Said } from "../demo/client.js";

export async function chat(token: () => Promise<string>): Promise<void> {
  const room = await Room.connect({ room: "lobby" }, { base: "ws://127.0.0.1:9502", token });
  room.on("welcome", ({ room, members }) => console.log(room.length, members.length));
  room.on("joined", ({ account }) => console.log(account.length));
  room.on("said", ({ id, from, text }) => console.log(id.toFixed(), from.length, text.length));
  const said: Said = await room.say({ text: "hi" });
  const member: Member = await room.whoami();
  console.log(said.text, member.uid.toFixed(), (await room.who()).join(", "));
  for await (const line of room.history({ limit: 5 })) console.log(line.text);
  for await (const accounts of room.online()) console.log(accounts.join(", "));
  try {
    await room.say({ text: "" });
  } catch (error) {
    if (Room.refused("say", error)) {
      const code: "empty" | "too_long" | CommonCode = error.code;
      console.log(code);
    } else if (error instanceof CallRefused) {
      // @ts-expect-error: the code of another call may be any text
      const code: "empty" = error.code;
      console.log(code);
    }
  }
  // @ts-expect-error: an event that the server does not send
  room.on("shouted", () => {});
  // @ts-expect-error: a text is a string
  await room.say({ text: 1 });
  // @ts-expect-error: the server has no asks
  room.answer("confirm", () => true);
  // @ts-expect-error: the room is required
  await Room.connect({}, { base: "ws://127.0.0.1:9502" });
}
