// node hub_sub.js HOST PORT CHANNEL [FROM]      prints each message of a hub's channel as it comes
const [host, port, channel, from] = process.argv.slice(2)
const frame = payload => Buffer.concat([Buffer.from(String(payload.length).padEnd(10)), payload])
const fail = words => { console.error(words); process.exit(1) }

const socket = require('net').connect(port, host)
socket.write(frame(Buffer.from(`SUBSCRIBE ${channel}` + (from ? ` from=${from}` : ''))))
let data = [], have = 0, wanted = 10, answered = false

socket.on('data', chunk => {
  data.push(chunk); have += chunk.length
  if (have < wanted) return                       // so that a large message is put together once
  let all = Buffer.concat(data), at = 0
  for (;;) {
    wanted = 10
    if (all.length - at >= 10) {
      const header = all.toString('latin1', at, at + 10)
      if (!/^(0|[1-9][0-9]*) *$/.test(header)) fail(`not a length: ${header}`)
      wanted += Number(header)
    }
    if (all.length - at < wanted) break
    const payload = all.subarray(at + 10, at += wanted)
    if (answered) process.stdout.write(Buffer.concat([payload, Buffer.from('\n')]))
    else if (!(answered = payload.toString().startsWith('OK '))) fail(`not subscribed: ${payload}`)
  }
  data = [all.subarray(at)]; have = all.length - at
})
socket.on('error', error => fail(error.message))
socket.on('end', () => have > 0 || !answered ? fail('the stream ended inside a frame') : socket.end())
