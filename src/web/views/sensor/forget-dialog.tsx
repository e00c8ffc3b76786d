import { useEffect, useState } from 'preact/hooks';
import type { Forgotten, Sensor } from '../../../api/contract/sensors.ts';
import { Dialog } from '../../components/dialog.tsx';
import { Notice } from '../../components/notice.tsx';
import { Foreign } from '../../components/text.tsx';
import { usePage } from '../../context.ts';
import { counted } from '../../format/number.ts';
import { sensorPath } from '../../rest/client.ts';

export function ForgetDialog({ sensor, onClose }: { readonly sensor: Sensor; readonly onClose: () => void }) {
  const { daemon, navigation, toasts, kept } = usePage();
  const [would, setWould] = useState<Forgotten>();
  const path = `${sensorPath(sensor.key)}/forget`;
  useEffect(() => {
    daemon.client.post<Forgotten>(path, { dryRun: true }).then(setWould, () => {});
  }, []);
  const submit = async (): Promise<void> => {
    const { readings } = await daemon.client.post<Forgotten>(path, { dryRun: false });
    toasts.show('ok', `Forgotten, with ${counted(readings, 'reading')}.`);
    kept.delete('sensors');
    navigation.go(navigation.href('sensors'));
  };
  return (
    <Dialog title="Forget this sensor" action="Forget for ever" onSubmit={submit} onClose={onClose}>
      <p class="break">
        <Foreign text={sensor.name ?? sensor.key} />
      </p>
      <Notice tone="warning">
        <span>
          {would === undefined
            ? 'Counting what would be deleted …'
            : `Deletes ${counted(would.readings, 'reading')}, ${counted(would.values, 'further value')} and ${counted(would.alertRows, 'alert row')}. This cannot be undone.`}
        </span>
        <span>If the sensor sends again it appears again, as a new one.</span>
      </Notice>
    </Dialog>
  );
}
