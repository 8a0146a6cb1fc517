// node hub_pub.js HOST PORT CHANNEL      publishes each line of its input to a hub, and ends when all is stored
const [host, port, channel] = process.argv.slice(2)
const frame = payload => Buffer.concat([Buffer.from(String(payload.length).padEnd(10)), payload])

const lines = require('fs').readFileSync(0, 'latin1').split('\n')   // one character for each byte
if (lines.at(-1) === '') lines.pop()
const socket = require('net').connect(port, host)
socket.write(frame(Buffer.from(`PUBLISH ${channel} acks=none`)))
for (const line of lines) socket.write(frame(Buffer.from(line, 'latin1')))
socket.end()                                      // a half-close: what the hub says is still read

let said = ''
socket.on('data', chunk => said += chunk)
socket.on('error', error => said += error.message)
socket.on('close', () => {
  const last = `ACK ${lines.length}`
  if (said.endsWith(String(last.length).padEnd(10) + last)) return
  console.error(`not all was stored: ${said}`)
  process.exitCode = 1
})
