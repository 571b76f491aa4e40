/** Programs that never run at once need their temporaries one after the other: one set of buffers serves them all. */
import type { Plan, Slot } from './plan.ts';

/**
 * The plans with their temporaries named, and a plan without dispatches that holds them: its program is what the others
 * share these names with. The k-th largest temporary of every plan lies in the k-th buffer.
 */
export function shareTemporaries<Name extends string>(
  plans: Readonly<Record<Name, Plan>>,
): { plans: Record<Name, Plan>; temporaries: Plan } {
  const sizes: number[] = [];
  const name = (plan: Plan): Plan => {
    const bySize = plan.slots.flatMap(({ names }, k) => (names.length === 0 ? [k] : []));
    bySize.sort((a, b) => plan.slots[b]!.elements - plan.slots[a]!.elements);
    bySize.forEach((slot, k) => {
      sizes[k] = Math.max(sizes[k] ?? 0, plan.slots[slot]!.elements);
    });
    const rank = new Map(bySize.map((slot, k) => [slot, k]));
    const slots = plan.slots.map((slot, k) => (rank.has(k) ? { ...slot, names: [nameOf(rank.get(k)!)] } : slot));
    return { ...plan, slots, inputs: { ...plan.inputs, ...valuesOf(slots) } };
  };
  const named = Object.entries<Plan>(plans).map(([key, plan]) => [key, name(plan)] as const);
  const slots = sizes.map((elements, k): Slot => ({ elements, names: [nameOf(k)] }));
  const graph = { nodes: [], inputs: [], outputs: [] };
  return {
    plans: Object.fromEntries(named) as Record<Name, Plan>,
    temporaries: { calls: [], dispatches: [], slots, inputs: valuesOf(slots), outputs: {}, state: {}, graph },
  };
}

const nameOf = (k: number) => `temporary ${k}`;

const valuesOf = (slots: readonly Slot[]) =>
  Object.fromEntries(
    slots.flatMap(({ elements, names: [name] }, slot) =>
      name?.startsWith('temporary ') ? [[name, { slot, at: 0, shape: [elements] }] as const] : [],
    ),
  );
