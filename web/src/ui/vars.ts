/** Sets custom properties through the object model: the content security policy allows no style attributes. */
import { noChange } from "lit";
import { directive, Directive, PartType, type ElementPart, type PartInfo } from "lit/directive.js";

class Vars extends Directive {
  constructor(part: PartInfo) {
    super(part);
    if (part.type !== PartType.ELEMENT) throw new Error("vars() stands on an element");
  }
  render(_values: Record<`--${string}`, string | number>): typeof noChange {
    return noChange;
  }
  override update(part: ElementPart, [values]: [Record<`--${string}`, string | number>]): typeof noChange {
    const { style } = part.element as HTMLElement;
    for (const [name, value] of Object.entries(values)) {
      const text = String(value);
      if (style.getPropertyValue(name) !== text) style.setProperty(name, text);
    }
    return noChange;
  }
}

export const vars = directive(Vars);
