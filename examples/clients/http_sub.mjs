// node http_sub.mjs URL [FROM]      prints each message of a channel (http://localhost:10080/channels/ticks) as it comes, and goes on after a cut
import { setTimeout as sleep } from 'node:timers/promises'
const [url, from = 'next'] = process.argv.slice(2)
let place = `from=${from}`

/** Prints until the hub has ended, or the channel was deleted. */
async function read() {
  const answer = await fetch(`${url}?${place}`)
  if (!answer.ok) {
    console.error(await answer.text())
    return answer.status !== 503 && process.exit(1)
  }
  if (!place.includes('epoch=')) place = `from=${answer.headers.get('tenfold-from')}`
  let rest = ''
  for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
    rest += piece
    if (!piece.includes('\n')) continue            // so that a large message is cut into lines once
    const lines = rest.split('\n')
    rest = lines.pop()
    for (const line of lines.filter(Boolean)) {    // an empty line says that the hub is there
      const { seq, text, base64 } = JSON.parse(line)
      process.stdout.write(text ?? Buffer.from(base64, 'base64'))
      process.stdout.write('\n')
      place = `from=${seq + 1}&epoch=${answer.headers.get('tenfold-epoch')}`
    }
  }
  return true
}

while (!await read().catch(error => console.error(error.message))) await sleep(1000)
