// Decides requests by IAM policies: reads {simulations: [...]} from standard input,
// writes one {result, ignored} for each, in order. A development tool; see the
// README on the licence of what it imports.
import { runSimulation } from '@cloud-copilot/iam-simulate'

let input = ''
for await (const chunk of process.stdin) input += chunk
const answers = []
for (const simulation of JSON.parse(input).simulations) {
  const r = await runSimulation(simulation, {})
  answers.push(r.resultType === 'error'
    ? { error: JSON.stringify(r.errors) }
    : { result: r.overallResult, ignored: (r.result ?? r.results?.[0])?.ignoredContextKeys ?? [] })
}
process.stdout.write(JSON.stringify(answers))
