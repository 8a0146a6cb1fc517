// node websocket_sub.mjs URL [FROM]      prints each message of a channel (ws://localhost:10080/channels/ticks) as it comes, and goes on after a cut
const [url, from = 'next'] = process.argv.slice(2)
let place = `from=${from}`, epoch, seq, refused = false

function connect() {
  const socket = new WebSocket(`${url}?${place}`, 'tenfold.messages')
  socket.binaryType = 'arraybuffer'
  socket.onmessage = ({ data }) => {
    if (typeof data !== 'string') {
      process.stdout.write(Buffer.concat([Buffer.from(data), Buffer.from('\n')]))
      place = `from=${++seq}&epoch=${epoch}`
    } else if (data.startsWith('OK ')) {           // the first: OK epoch=... from=...
      epoch = /epoch=(\S+)/.exec(data)[1]
      seq = Number(/from=(\d+)/.exec(data)[1])
      if (!place.includes('epoch=')) place = `from=${seq}`
    } else {
      console.error(data)
      refused = !/^ERROR (BUSY|SHUTDOWN|STORAGE) /.test(data)
    }
  }
  socket.onclose = ({ code }) => {
    if (refused) process.exitCode = 1
    else if (code !== 1000) setTimeout(connect, 1000)   // 1000: the hub has ended, or the channel was deleted
  }
}
connect()
