// connect-proxy.mjs ADDRESS PORT: an HTTP proxy that knows CONNECT to port 443 and nothing else, as companies run them.
import { createServer } from 'node:http'
import { connect } from 'node:net'

const [address, port] = process.argv.slice(2)
const server = createServer((_request, response) => response.writeHead(405).end())
server.on('connect', (request, client, head) => {
  const [, host, wanted] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(request.url) ?? []
  client.on('error', () => client.destroy())
  if (wanted !== '443') return client.end('HTTP/1.1 403 Forbidden\r\n\r\n')
  const far = connect({ host, port: 443, noDelay: true })
  far.on('connect', () => {
    client.setNoDelay(true)
    client.write('HTTP/1.1 200 Connection established\r\n\r\n')
    far.write(head)
    far.pipe(client)
    client.pipe(far)
  })
  const end = () => {
    far.destroy()
    client.destroy()
  }
  far.on('error', end).on('close', end)
  client.on('close', end)
})
server.listen(Number(port), address, () => process.stdout.write('ready\n'))
