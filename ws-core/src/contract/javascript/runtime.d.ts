// The runtime: the same for every application.

/** Stops what the call that returned it has started. */
export type Stop = () => void;

/** The server refused a call. The connection stays open. */
export declare class CallRefused extends Error {
  /** For tests; the client makes it from the event `error` of the server. */
  constructor(event: string, error: { code: string; message?: string; path?: string; fields?: unknown });
  /** The event of the call. */
  readonly event: string;
  /** For programs. */
  readonly code: string;
  /** The place of the fault inside the data; of `invalid_data`. */
  readonly path: string | undefined;
  /** The faults by field; of `invalid_data` of a validated type. */
  readonly fields: unknown;
}

/** A refusal whose codes are known. */
export type RefusedWith<Code extends string> = CallRefused & { readonly code: Code };

/**
 * A call has no reply.
 *
 * - `not_open`: no connection is open; nothing was sent.
 * - `busy`: 256 calls wait for their replies, or 8 MiB wait in the socket; nothing was sent.
 * - `aborted`: the signal of the call was aborted; `cause` is its reason.
 * - `timeout`: there was no reply in time.
 * - `closed`: the connection ended before the reply came.
 * - `no_reply`: the server ended the call without the reply that it declares.
 */
export declare class CallLost extends Error {
  /** For tests. */
  constructor(event: string, why: CallLost["why"], details?: { wasSent?: boolean; cause?: unknown });
  /** The event of the call. */
  readonly event: string;
  readonly why: "not_open" | "busy" | "aborted" | "timeout" | "closed" | "no_reply";
  /** Whether the server may have handled the call. It is never sent a second time. */
  readonly wasSent: boolean;
  readonly cause?: unknown;
}

/** The first attempt of `connect` has failed. */
export declare class ConnectFailed extends Error {
  /** For tests. */
  constructor(channel: string, code: number, reason: string, cause?: unknown);
  /** The close code; 1006 if the handshake was refused or the server was not reached. */
  readonly code: number;
  /** The close reason; often empty. */
  readonly reason: string;
  /** The error of `token`, or of a WebSocket that reports more than those of browsers. */
  readonly cause?: unknown;
}

/** 1024 messages of an iterator were not read. It has ended; the connection stays open. */
export declare class Overflow extends Error {
  /** For tests. */
  constructor(event: string);
  readonly event: string;
}

/** An answer function throws it to refuse: the server gets the code and the message. */
export declare class AskRefused extends Error {
  constructor(code: string, message?: string);
  readonly code: string;
}

/** The state of a channel. `delay` is in milliseconds. */
export type State =
  /** An attempt to connect is running; 1 is the first since the last good connection. */
  | { readonly name: "connecting"; readonly attempt: number }
  | { readonly name: "open" }
  /** The connection or the attempt ended with this code. The next attempt begins after `delay`. */
  | {
      readonly name: "waiting";
      readonly delay: number;
      readonly code: number;
      readonly reason: string;
      readonly cause?: unknown;
    }
  /** The end. A closed channel does not open again. */
  | { readonly name: "closed"; readonly code: number; readonly reason: string; readonly cause?: unknown };

/** The options of a call. */
export interface CallOptions {
  /**
   * The longest wait for the reply, in milliseconds; 0 waits until the connection ends. The default
   * is that of the channel. For several replies it is the longest wait for each, and the default is 0.
   */
  timeout?: number | undefined;
  /** Aborts the call. The server is not notified. */
  signal?: AbortSignal | undefined;
}

/** When to connect again. Times are in milliseconds. */
export interface Reconnect {
  /** The longest delay of the first attempt, 500. It doubles with each attempt. */
  first?: number | undefined;
  /** The longest delay of any attempt, 30 000. Each delay is a random part of its longest. */
  longest?: number | undefined;
  /** The age at which a connection counts as good, so that the delays begin anew, 10 000. */
  stable?: number | undefined;
}

/** The part of the standard WebSocket interface that the types need. */
export interface SocketLike {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

/** Values of a query string. An array repeats its name. */
export interface QueryValues {
  [name: string]: QueryValue | readonly QueryValue[];
}

export type QueryValue = string | number | boolean | null | undefined;

/** The options of a channel. Times are in milliseconds. */
export interface Options<Query = QueryValues> {
  /** The address of the server, such as `wss://api.example.com`; a path in it comes first. */
  base: string;
  /** The query string. */
  query?: Query | undefined;
  /**
   * Asked for a token before every attempt. If it throws, the attempt has failed. The token travels
   * as a subprotocol `bearer.<base64url>`, or in the query where the server accepts it only there.
   */
  token?: (() => string | null | undefined | Promise<string | null | undefined>) | undefined;
  /** The subprotocols to offer instead of those that the server declares. */
  protocols?: readonly string[] | undefined;
  /** The class of the socket; the global one by default. Node 20 has none: pass that of npm's `ws`. */
  WebSocket?: (new (url: string, protocols?: string[]) => SocketLike) | undefined;
  /** When to connect again; `false`: never. */
  reconnect?: false | Reconnect | undefined;
  /**
   * The silence after which the event `ping` is sent, 30 000. After the same time of silence again
   * the connection ends. 0: never.
   */
  idle?: number | undefined;
  /** The longest wait for an attempt to connect and for the reply to a call, 10 000. */
  timeout?: number | undefined;
  /**
   * Gets the events that the contract does not have and nothing listens to, errors that belong to
   * no call (`"error"`), and messages that are not envelopes (`undefined` and the message).
   */
  onUnknown?: ((event: string | undefined, data: unknown) => void) | undefined;
  /** Gets the text of each message on the wire. */
  onFrame?: ((direction: "sent" | "received", text: string) => void) | undefined;
}

/**
 * The methods of all channels. `Events` are the events of the server by name, `Asks` those that it
 * wants answered, `Calls` the events of the client.
 */
export declare abstract class TypedChannel<
  Events,
  Asks extends AskTypes<Asks>,
  Calls extends CallTypes<Calls>,
> {
  protected constructor();
  /** The state now. */
  readonly state: State;
  /** Calls the function after each change of the state. */
  watch(watcher: (state: State) => void): Stop;
  /** Calls the function for each event of this name that is not the reply to a call. */
  on<Name extends keyof Events & string>(event: Name, listener: (data: Events[Name]) => void): Stop;
  /**
   * Collects the events of this name from now on, also over several connections, until the loop is
   * left or the channel is closed. It throws `Overflow` if 1024 of them have not been read.
   */
  events<Name extends keyof Events & string>(event: Name): AsyncIterableIterator<Events[Name]>;
  /**
   * Answers the asks of this name. An ask without an answer function is refused with
   * `unknown_event`; one whose function throws, with `internal`, or with the code of an `AskRefused`.
   */
  answer<Name extends keyof Asks & string>(
    event: Name,
    answer: (data: Asks[Name]["data"]) => Asks[Name]["answer"] | Promise<Asks[Name]["answer"]>,
  ): Stop;
  /** Calls by name; for events whose name cannot be a method. */
  call<Name extends keyof Calls & string>(
    event: Name,
    ...args: Parameters<Calls[Name]>
  ): ReturnType<Calls[Name]>;
  /** Begins the next attempt now, if one is waited for. */
  retryNow(): void;
  /** Closes for good, with 1000 or a code from 3000 to 4999, and a reason of at most 123 bytes. */
  close(code?: number, reason?: string): void;
}

/** The types of asks. */
export type AskTypes<Asks> = { [Name in keyof Asks]: { data: unknown; answer: unknown } };

/** The types of calls. */
export type CallTypes<Calls> = { [Name in keyof Calls]: (...args: never[]) => unknown };
