#!/usr/bin/env escript
%%! +S 1:1
%% Erlang's own framings on a socket, from gen_tcp.
%%
%%   packets.escript recv PACKET listen|PORT         prints each packet that gen_tcp delivers, in hex
%%   packets.escript send PACKET listen|PORT FILE    sends the messages of FILE, which has one in hex on each line
%%
%% With `listen` it takes a free port of the loopback and first prints "port N".
%% PACKET is a value of the option `packet`, or `line/B` for lines that end at the byte B.
%%
%% For 1, 2 and 4 gen_tcp writes the header and takes it off again. The others it only reads, and it leaves the header
%% where it is; so `frame/2` has to write them, in the way of their protocols.

%% Large enough for every line here: gen_tcp would cut a longer one.
-define(BUFFER, 1 bsl 20).
-define(BOUND, 60_000).

main(["recv", Packet, Place]) ->
    receive_all(open(Place, Packet));
main(["send", Packet, Place, File]) ->
    {ok, Text} = file:read_file(File),
    Messages = [binary:decode_hex(Line) || Line <- lines(Text)],
    Socket = open(Place, Packet),
    [ok = gen_tcp:send(Socket, frame(Packet, Message)) || Message <- Messages],
    ok = gen_tcp:shutdown(Socket, write),
    %% The other end closes when it has seen everything.
    {error, closed} = gen_tcp:recv(Socket, 0, ?BOUND).

open(Place, Packet) ->
    Socket = connection(Place, [binary, {active, false}]),
    ok = inet:setopts(Socket, [{buffer, ?BUFFER} | packet(Packet)]),
    Socket.

connection("listen", Options) ->
    {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}} | Options]),
    {ok, Port} = inet:port(Listener),
    io:format("port ~b~n", [Port]),
    {ok, Socket} = gen_tcp:accept(Listener, ?BOUND),
    Socket;
connection(Port, Options) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, list_to_integer(Port), Options, ?BOUND),
    Socket.

packet("line/" ++ Byte) -> [{packet, line}, {line_delimiter, list_to_integer(Byte)}];
packet([Digit]) -> [{packet, Digit - $0}];
packet(Name) -> [{packet, list_to_atom(Name)}].

receive_all(Socket) ->
    case gen_tcp:recv(Socket, 0, ?BOUND) of
        {ok, Packet} ->
            io:put_chars([binary:encode_hex(Packet), $\n]),
            receive_all(Socket);
        {error, closed} ->
            ok;
        {error, Reason} ->
            io:format(standard_error, "~p~n", [Reason]),
            halt(1)
    end.

lines(Text) ->
    lists:droplast(binary:split(Text, <<"\n">>, [global])).

frame("line/" ++ Byte, Message) -> [Message, list_to_integer(Byte)];
frame("line", Message) -> [Message, $\n];
%% RFC 1006: version 3, a reserved byte, the length of everything.
frame("tpkt", Message) -> <<3, 0, (byte_size(Message) + 4):16, Message/binary>>;
%% RFC 5531: one bit says that this is the last fragment, 31 give the length.
frame("sunrm", Message) -> <<1:1, (byte_size(Message)):31, Message/binary>>;
%% X.690: an OCTET STRING.
frame("asn1", Message) -> [4, ber(byte_size(Message)), Message];
%% GIOP 1.1: the name, the version, the byte order, the kind of message (0 asks for something), the length.
frame("cdr", Message) -> <<"GIOP", 1, 1, 0, 0, (byte_size(Message)):32, Message/binary>>;
frame(_, Message) -> Message.

ber(Length) when Length < 128 ->
    Length;
ber(Length) ->
    Bytes = binary:encode_unsigned(Length),
    [128 + byte_size(Bytes), Bytes].
