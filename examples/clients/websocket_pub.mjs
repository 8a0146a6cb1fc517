// node websocket_pub.mjs URL PRODUCER      publishes each line of its input once, however often this is run with the same input
import { readFileSync } from 'node:fs'
const [url, producer] = process.argv.slice(2)      // ws://localhost:10080/channels/ticks
const frame = payload => Buffer.concat([Buffer.from(String(payload.length).padEnd(10)), payload])

const lines = readFileSync(0, 'latin1').split('\n')   // one character for each byte
if (lines.at(-1) === '') lines.pop()

function connect() {
  const socket = new WebSocket(url, 'tenfold')     // the hub's own protocol, in binary messages
  let got = Buffer.alloc(0), ended = false
  const end = words => {
    if (words) console.error(words), process.exitCode = 1
    ended = true
    socket.close()
  }
  socket.binaryType = 'arraybuffer'
  socket.onopen = () => socket.send(frame(Buffer.from(`PUBLISH ${url.split('/').at(-1)} producer=${producer}`)))
  socket.onmessage = ({ data }) => {
    got = Buffer.concat([got, Buffer.from(data)])  // frames come in any pieces
    for (let length; got.length >= 10 && got.length >= 10 + (length = Number(got.subarray(0, 10))); got = got.subarray(10 + length)) {
      const said = got.toString('latin1', 10, 10 + length)
      const stored = /^ACK (\d+)$/.exec(said) ?? /^OK .*\bnext=(\d+)/.exec(said)
      if (!stored) { if (!/^ERROR (BUSY|SHUTDOWN|STORAGE) /.test(said)) end(said) }
      else if (Number(stored[1]) >= lines.length) end()
      else if (said.startsWith('OK ')) for (const line of lines.slice(stored[1])) socket.send(frame(Buffer.from(line, 'latin1')))
    }
  }
  socket.onclose = () => ended || setTimeout(connect, 1000)   // the hub says what it has, and only the rest is sent
}
connect()
