// node http_pub.mjs URL PRODUCER      publishes each line of its input once, however often this is run with the same input
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
const [url, producer] = process.argv.slice(2)

const lines = readFileSync(0, 'latin1').split('\n')   // one character for each byte
if (lines.at(-1) === '') lines.pop()
const body = lines.map(line => JSON.stringify({ base64: Buffer.from(line, 'latin1').toString('base64') }) + '\n').join('')
const headers = { 'Content-Type': 'application/x-ndjson', 'Tenfold': '1', 'Tenfold-Producer': producer, 'Tenfold-First': '0' }

for (;;) {
  const answer = await fetch(url, { method: 'POST', headers, body }).catch(error => console.error(error.message))
  if (answer?.ok) break
  if (answer && answer.status !== 503) {
    console.error(await answer.text())
    process.exit(1)
  }
  await sleep(1000)                                // the same again: what is there is left out
}
